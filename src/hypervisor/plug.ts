/**
 * Changes of a running VM: part of the interface between sandboxes and VMMs. Operations that a driver's capabilities
 * exclude are refused with `hypervisor/unsupported`.
 */
import type { Disk, NetworkTap } from "./spec.ts";

/** The current size of the VM, whoever asked for it. */
export interface MachineSize {
  readonly vcpus: number;
  readonly maxVcpus: number;
  readonly memoryMiB: number;
}

/** The result of a change of memory. */
export interface ResizedMemory {
  /** The current size: larger than requested if the VM grows by whole blocks, unchanged if it cannot shrink. */
  readonly memoryMiB: number;
  /** The ranges added, in bytes, for guests that do not detect them by themselves. */
  readonly added: readonly { readonly address: bigint; readonly size: bigint }[];
}

export interface MemoryTarget {
  /** Total memory. */
  readonly memoryMiB: number;
  /** The guest adds memory in blocks of this size; 0 if unknown. */
  readonly blockMiB: number;
  /**
   * Called when the VM has a device that adds and removes memory, before the device is used: the guest may have to
   * prepare.
   */
  readonly onDevice?: () => Promise<void>;
}

/** The address by which the guest finds a device. */
export type GuestAddress =
  /** The slots on the path from the root bus, two hexadecimal digits each: `03/00`. */
  | { readonly kind: "pci"; readonly path: string }
  /** Target and unit: `0:3`. */
  | { readonly kind: "scsi"; readonly address: string };

export interface PluggedDevice {
  readonly id: string;
  readonly address: GuestAddress;
  /**
   * Resolves when the guest has released the device and the host no longer needs it. Idempotent.
   * @throws KumiteError `hypervisor/plug-failed` if the guest keeps the device, which then works as before
   */
  remove(signal?: AbortSignal): Promise<void>;
}

/** Each operation fails with `hypervisor/plug-failed`, or e.g. `hypervisor/exited` if the VM is gone. */
export interface MachinePlug {
  /**
   * Whether vCPUs can be removed safely. If not, a VM whose vCPUs were removed accepts no further devices, and it is
   * better to have the guest take vCPUs offline.
   */
  readonly removesVcpus: boolean;
  size(signal?: AbortSignal): Promise<MachineSize>;
  /** The host's threads that run vCPUs. They change with the number of vCPUs. */
  vcpuThreads(signal?: AbortSignal): Promise<readonly number[]>;
  /**
   * Adds at most what the VM can have; 0 if it is full. The guest has to bring the vCPUs online.
   * @returns how many were added. An error has the number in `data.added`.
   */
  addVcpus(count: number, signal?: AbortSignal): Promise<number>;
  /**
   * Removes the most recently added first, and only vCPUs that were added to the running VM.
   * @returns how many were removed. An error has the number in `data.removed`.
   */
  removeVcpus(count: number, signal?: AbortSignal): Promise<number>;
  /** Adds at most what the VM can have. An error has the current size in `data.memoryMiB`. */
  resizeMemory(target: MemoryTarget, signal?: AbortSignal): Promise<ResizedMemory>;
  /** The guest detects the disk a moment later. A failure leaves nothing. */
  addDisk(disk: Disk, signal?: AbortSignal): Promise<PluggedDevice>;
  /**
   * Replaces the file behind a read-only disk that the VM was started with, identified by its id. The new file must
   * have the same size. The guest is not notified, so it must not have read from the disk yet.
   */
  exchangeDisk(disk: Disk, signal?: AbortSignal): Promise<void>;
  addNetwork(network: NetworkTap, signal?: AbortSignal): Promise<PluggedDevice>;
}
