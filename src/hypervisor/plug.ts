/**
 * Changing a machine while it runs: part of the seam between sandboxes and virtual machine monitors. What a driver's
 * capabilities deny is refused with `hypervisor/unsupported`.
 */
import type { Disk, NetworkTap } from "./spec.ts";

/** What the machine has now, whoever asked for it. */
export interface MachineSize {
  readonly vcpus: number;
  readonly maxVcpus: number;
  readonly memoryMiB: number;
}

/** Memory after a change. */
export interface ResizedMemory {
  /** What the machine has now: more than was asked for when it grows by whole blocks, as before when it cannot shrink. */
  readonly memoryMiB: number;
  /** What was added, for guests that do not find it by themselves. In bytes. */
  readonly added: readonly { readonly address: bigint; readonly size: bigint }[];
}

export interface MemoryTarget {
  /** Of all memory. */
  readonly memoryMiB: number;
  /** The guest takes memory in blocks of this size; 0 when that is not known. */
  readonly blockMiB: number;
  /**
   * Called when the machine has got a device that gives and takes memory, before it does: the guest may have to make
   * itself ready.
   */
  readonly onDevice?: () => Promise<void>;
}

/** How the guest finds a device. */
export type GuestAddress =
  /** The slots on the way from the root bus, two hexadecimal digits each: `03/00`. */
  | { readonly kind: "pci"; readonly path: string }
  /** Target and unit: `0:3`. */
  | { readonly kind: "scsi"; readonly address: string };

export interface PluggedDevice {
  readonly id: string;
  readonly address: GuestAddress;
  /**
   * Resolves when the guest has let go of it and the host needs it no more. Idempotent.
   * @throws KumiteError `hypervisor/plug-failed` when the guest keeps it; it works as before then
   */
  remove(signal?: AbortSignal): Promise<void>;
}

/** Each fails with `hypervisor/plug-failed`, or `hypervisor/exited` and the like when the machine is gone. */
export interface MachinePlug {
  /**
   * A machine whose vCPUs were removed goes on as before. Otherwise it takes nothing more afterwards: better have the
   * guest switch off what it does not need.
   */
  readonly removesVcpus: boolean;
  size(signal?: AbortSignal): Promise<MachineSize>;
  /** Threads of the host that run vCPUs; other ones after each change of their number. */
  vcpuThreads(signal?: AbortSignal): Promise<readonly number[]>;
  /**
   * No more than the machine can have; 0 when it is full. The guest has to switch them on.
   * @returns how many were added. An error says in `data.added` how many of those that were asked for.
   */
  addVcpus(count: number, signal?: AbortSignal): Promise<number>;
  /**
   * The last first, and only those that were added to the running machine.
   * @returns how many were removed. An error says in `data.removed` how many of those that were asked for.
   */
  removeVcpus(count: number, signal?: AbortSignal): Promise<number>;
  /** No more than the machine can have. An error says in `data.memoryMiB` what there is now. */
  resizeMemory(target: MemoryTarget, signal?: AbortSignal): Promise<ResizedMemory>;
  /** The guest finds it a moment later. A failed one has left nothing. */
  addDisk(disk: Disk, signal?: AbortSignal): Promise<PluggedDevice>;
  /**
   * What is behind a read-only disk that the machine was started with, known by its id, is from now on the file of this one,
   * which has to be as large. The guest is not told: it must not have read from it yet.
   */
  exchangeDisk(disk: Disk, signal?: AbortSignal): Promise<void>;
  addNetwork(network: NetworkTap, signal?: AbortSignal): Promise<PluggedDevice>;
}
