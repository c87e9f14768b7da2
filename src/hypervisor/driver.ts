/**
 * The seam between sandboxes and virtual machine monitors.
 * Callers ask a driver's capabilities, never its name. Each driver passes `driver-suite.ts`.
 */
import type { ByteStream, SpawnRequest } from "../sys/os.ts";
import type { MachinePlug } from "./plug.ts";
import type { DiskBus, SharedDirectory, SharingWay, VmSpec } from "./spec.ts";

export interface DriverCapabilities {
  /** The workload is behind a hardware-like boundary; `false` means: for tests only. */
  readonly isolates: boolean;
  /** Setting the guest's clock and seeding its random generator make sense. */
  readonly ownClock: boolean;
  /** The guest has a kernel and memory of its own: what a specification says of hardware means something. */
  readonly ownKernel: boolean;
  /** How the guest can reach shared directories; the first is the default. */
  readonly sharing: readonly SharingWay[];
  /** What disks can be on; none for a driver without disks. */
  readonly disks: readonly DiskBus[];
  /** What a running machine of this driver can be given. */
  readonly hotplug: readonly Hotplug[];
  /** Machines can be saved, and others go on from what was saved (`RunningVm.snapshots`, `VmSpec.restoreFrom`). */
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
  readonly signal: AbortSignal;
  /** Called when a phase of the start is over. */
  phase?(name: "accelerator" | "virtiofsd" | "qemu"): void;
  /** Called with every line of the guest's console, control characters removed. */
  onConsoleLine?(line: string): void;
  /** One line per contact with the VMM at debug level. */
  log(level: "debug" | "info" | "warn" | "error", message: string, fields?: Record<string, unknown>): void;
}

/** Why a VM has ended. */
export type VmExit =
  | { readonly reason: "stopped" }
  | { readonly reason: "guest-shutdown" }
  /** `process` is the one that died first, e.g. `qemu` or `virtiofsd`; `detail` goes on: "was killed by signal 9". */
  | { readonly reason: "died"; readonly process: string; readonly detail: string };

/** Fields of a storage of the agent protocol. */
export interface GuestShare {
  readonly driver: string;
  readonly source: string;
  readonly fstype: string;
  readonly options: readonly string[];
  /** For our agent alone; default none. */
  readonly driverOptions?: readonly string[];
}

/** Saving a VM so that others can be restored from it (`VmSpec.restoreFrom`). */
export interface VmSnapshots {
  /**
   * Resolves when the agent has opened its end of the channel. Before a VM is saved, nothing may have been written to its
   * channel: each VM restored from it starts with the first byte.
   *
   * @throws KumiteError `hypervisor/exited`, `timeout`, `aborted`
   */
  agentListens(timeoutMs: number, signal: AbortSignal): Promise<void>;
  /**
   * Saves the state of the devices. When this resolves, the guest is stopped and its memory is in the file that the VM was
   * given. `resume` continues it, and it can be saved again.
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
  /** Pid of the process that is the VM. */
  readonly pid: number;
  /**
   * The byte channel to the agent, carrying yamux with the host as client. One for the life of the VM.
   * It may carry nothing until the agent is up.
   */
  readonly agentChannel: ByteStream;
  /** Resolves once, with the first cause. Never rejects. */
  readonly exited: Promise<VmExit>;
  /** Missing where there is no terminal to type into. */
  readonly console?: GuestConsole;
  /** The last lines of the guest's console, control characters removed, bounded. */
  consoleTail(lines: number): string[];
  /** How the guest sees the directory given in the spec: what to put in an agent storage. */
  guestShare(directory: SharedDirectory): GuestShare;
  /** Of a driver with the capability. */
  readonly snapshots?: VmSnapshots;
  /** Pause and resume the guest; missing if the driver cannot. Both are idempotent. */
  readonly pause?: (signal?: AbortSignal) => Promise<void>;
  readonly resume?: (signal?: AbortSignal) => Promise<void>;
  /** Of a driver with a capability of `hotplug`. */
  readonly plug?: MachinePlug | undefined;
  /** Ends the VM and waits until every process of it is gone. Idempotent, never fails for a VM that is gone. */
  stop(signal?: AbortSignal): Promise<void>;
}

/** A process that a start would start, before anything of it exists. */
export interface DriverProgram {
  /** Of its step in the journal. */
  readonly key: string;
  readonly request: SpawnRequest;
  /** Paths that are bound with it: files to be written down before and removed after. */
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
   * The processes that `start` would start, in order, for a caller that can start them earlier; creates nothing that the
   * context does not allow. Missing if this would gain nothing. @throws KumiteError as `start`
   */
  programs?(spec: VmSpec, context: StartContext): Promise<readonly DriverProgram[]>;
}
