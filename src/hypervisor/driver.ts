/**
 * The interface between sandboxes and virtual machine monitors (VMMs). Callers query a driver's capabilities, never its
 * name. Each driver passes `driver-suite.ts`.
 */
import type { ByteStream, SpawnRequest } from "../sys/os.ts";
import type { MachinePlug } from "./plug.ts";
import type { DiskBus, SharedDirectory, SharingWay, VmSpec } from "./spec.ts";

export interface DriverCapabilities {
  /** The workload is behind a hardware-like boundary; `false` means: for tests only. */
  readonly isolates: boolean;
  /** The guest has its own clock and random generator, which the host can set and seed. */
  readonly ownClock: boolean;
  /** The guest has its own kernel and memory, so hardware settings in a specification have a meaning. */
  readonly ownKernel: boolean;
  /** How the guest can reach shared directories; the first is the default. */
  readonly sharing: readonly SharingWay[];
  /** Buses for disks; empty for a driver without disks. */
  readonly disks: readonly DiskBus[];
  /** What can be plugged into a running VM. */
  readonly hotplug: readonly Hotplug[];
  /** VMs can be saved, and others restored from them (`RunningVm.snapshots`, `VmSpec.restoreFrom`). */
  readonly snapshots: boolean;
}

export type Hotplug = "vcpu" | "memory" | "disk" | "network";

/** Something on the host that the driver is about to create, announced before so that it can be journalled. */
export type DriverStep =
  | { readonly kind: "process"; readonly key: string }
  | { readonly kind: "file"; readonly path: string };

/** What a start needs from its caller. */
export interface StartContext {
  /** Awaited before the thing is made. */
  willMake(step: DriverStep): Promise<void>;
  /** Awaited right after a process exists, before it is relied upon. */
  made(key: string, process: { readonly pid: number; readonly startTicks: number }): Promise<void>;
  /** Awaited right before the program is started, or taken over if it was started ahead. */
  willSpawn?(request: SpawnRequest): Promise<void>;
  readonly signal: AbortSignal;
  /** Called when a phase of the start is over. */
  phase?(name: "accelerator" | "virtiofsd" | "qemu"): void;
  /** Called with each line of the guest's console, without control characters. */
  onConsoleLine?(line: string): void;
  /** At debug level there is one line for each exchange with the VMM. */
  log(level: "debug" | "info" | "warn" | "error", message: string, fields?: Record<string, unknown>): void;
}

/** Why a VM has ended. */
export type VmExit =
  | { readonly reason: "stopped" }
  | { readonly reason: "guest-shutdown" }
  /** `process` died first, e.g. `qemu` or `virtiofsd`; `detail` completes the sentence: "was killed by signal 9". */
  | { readonly reason: "died"; readonly process: string; readonly detail: string };

/** Fields of a storage of the agent protocol. */
export interface GuestShare {
  readonly driver: string;
  readonly source: string;
  readonly fstype: string;
  readonly options: readonly string[];
  /** Options only for our agent; default none. */
  readonly driverOptions?: readonly string[];
}

/** Saving a VM so that others can be restored from it (`VmSpec.restoreFrom`). */
export interface VmSnapshots {
  /**
   * Saves the state of the devices. Nothing may be on its way through the channel to the agent. When this resolves, the
   * guest is stopped and its memory is in the file that the VM was given. `resume` continues it, and it can be saved
   * again.
   *
   * @param socket where the driver may listen meanwhile; at most 107 bytes, nothing is there
   * @throws KumiteError `hypervisor/protocol`, `timeout`, `aborted`
   */
  save(socket: string, signal: AbortSignal): Promise<Uint8Array>;
}

/** The guest's console as a terminal: its output as it arrives, and input for it. */
export interface GuestConsole {
  /** Called with all output from now on, until the returned function is called. */
  listen(listener: (bytes: Uint8Array) => void): () => void;
  type(bytes: Uint8Array): Promise<void>;
}

export interface RunningVm {
  /** Pid of the VMM process. */
  readonly pid: number;
  /**
   * The byte channel to the agent, which carries yamux with the host as client. There is one for the life of the VM. It
   * carries nothing until the agent has started.
   */
  readonly agentChannel: ByteStream;
  /** Resolves once, with the first cause of the end. Never rejects. */
  readonly exited: Promise<VmExit>;
  /** Missing if there is no terminal to type into. */
  readonly console?: GuestConsole;
  /**
   * The last lines of the guest's console, without control characters. The number of lines that are kept is bounded.
   */
  consoleTail(lines: number): string[];
  /** How the guest sees a directory of the spec, as fields of an agent storage. */
  guestShare(directory: SharedDirectory): GuestShare;
  /** Present if the driver has the capability `snapshots`. */
  readonly snapshots?: VmSnapshots;
  /** Pause and resume the guest; missing if the driver cannot. Both are idempotent. */
  readonly pause?: (signal?: AbortSignal) => Promise<void>;
  readonly resume?: (signal?: AbortSignal) => Promise<void>;
  /** Present if the driver has a `hotplug` capability. */
  readonly plug?: MachinePlug | undefined;
  /** Ends the VM and waits until all of its processes are gone. Idempotent; succeeds for a VM that is gone. */
  stop(signal?: AbortSignal): Promise<void>;
}

/** A process that a start would start. */
export interface DriverProgram {
  /** Key of its step in the journal. */
  readonly key: string;
  readonly request: SpawnRequest;
  /** Paths of sockets that are bound for it. They must be in the journal before the start and be removed afterwards. */
  readonly sockets: readonly string[];
}

export interface Driver {
  readonly name: string;
  readonly capabilities: DriverCapabilities;
  /**
   * Starts a VM; resolves when the VMM runs and its channel is connected, before the guest has booted.
   * A failed start leaves nothing behind; a request that the capabilities exclude is refused before anything is created
   * (`hypervisor/unsupported`).
   */
  start(spec: VmSpec, context: StartContext): Promise<RunningVm>;
  /**
   * The processes that `start` would start, in order, for a caller that can start them earlier. Makes nothing that the
   * context does not allow. Missing if a driver gains nothing from this.
   * @throws KumiteError as `start`
   */
  programs?(spec: VmSpec, context: StartContext): Promise<readonly DriverProgram[]>;
}
