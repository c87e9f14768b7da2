/** Processes, as the `Os` interface starts and observes them. */
import type { ByteStream } from "./os-streams.ts";

/** What a descriptor of a new process refers to. */
export type Descriptor =
  | { readonly kind: "null" }
  /**
   * This process's end is in `ChildProcess.streams` under the same number; the two ends are a connected unix stream
   * socket pair. `said` is the first data the program reads from it, one character per byte and at most some thousand
   * bytes. It is in the socket before the program starts.
   */
  | { readonly kind: "stream"; readonly said?: string }
  /** A descriptor of this process. */
  | { readonly kind: "inherit"; readonly fd: number }
  /** A listening unix socket, bound before the program starts. The caller removes the socket file. */
  | { readonly kind: "listen"; readonly path: string; readonly mode: number }
  /** A file opened for appending. */
  | { readonly kind: "append"; readonly path: string; readonly mode: number }
  /**
   * A file opened for reading, or for reading and writing. `direct` bypasses the page cache (O_DIRECT); default false.
   */
  | { readonly kind: "read" | "readWrite"; readonly path: string; readonly direct?: boolean }
  /** A connection to a unix socket that already has a listener. */
  | { readonly kind: "connect"; readonly path: string }
  /**
   * The tap interface named `path` in this network namespace. If it does not exist, it is created and lives until it is
   * closed.
   */
  | { readonly kind: "tap"; readonly path: string };

/** A descriptor that can be sent to a running process. */
export type OpenedDescriptor = Extract<Descriptor, { readonly kind: "read" | "readWrite" | "connect" | "tap" }>;

export interface SpawnRequest {
  /** Absolute path. */
  readonly path: string;
  /** Including argv[0]. */
  readonly argv: readonly string[];
  /** The whole environment; nothing is inherited. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** By number. All others are closed. 0, 1 and 2 default to null. */
  readonly descriptors: Readonly<Record<number, Descriptor>>;
  /** Cgroup directories that the process joins before it runs the program. */
  readonly cgroups?: readonly string[];
  /** `new` creates a namespace; a path joins that one. */
  readonly networkNamespace?: "new" | { readonly path: string };
  /** Signal that the process gets when its parent dies. */
  readonly parentDeathSignal?: number;
  readonly newSession?: boolean;
  readonly noNewPrivileges?: boolean;
  /** Disables transparent huge pages for the process, so that only memory it has touched is resident. */
  readonly smallPages?: boolean;
  /**
   * The program has these capabilities, by number, and cannot gain others, whatever its user. Root keeps only what its
   * file ownership gives. Default: if the user is root, the capabilities of this process.
   */
  readonly capabilities?: readonly number[];
  /**
   * The program keeps its capabilities when it changes its user id, so that the files it creates for a user belong to
   * that user. Needs CAP_SETPCAP.
   */
  readonly rightsAsAnyUser?: boolean;
  /**
   * The program runs as a user and group that no other process has (`ownUserOf`). It may do what everybody may, and
   * what `group` may unless that is 0. The working directory and the descriptors are opened as root.
   */
  readonly ownUser?: { readonly group: number };
  /** Default: the program sees the same files as this process. */
  readonly tree?: PrivateTree;
  readonly companions?: CompanionsRequest;
}

/** Processes started before a program, in this order, as its children. */
export interface CompanionsRequest {
  /** If one cannot be started, those before it are killed and the program starts without companions. */
  readonly requests: readonly SpawnRequest[];
  /**
   * A descriptor of the program, above all its others: a file with a JSON list of `CompanionReport`, one for each
   * running companion. The descriptors that follow it are the program's ends of the companions' streams.
   */
  readonly at: number;
}

/** The part of a request that is needed to start a process before it is known what it will run. */
export type Birth = Pick<SpawnRequest, "descriptors" | "cgroups" | "networkNamespace" | "newSession">;

/** The rest of the request. */
export type BornProgram = Omit<SpawnRequest, keyof Birth>;

export interface CompanionReport {
  readonly pid: number;
  readonly startTicks: number;
  /** Maps a stream's number in the companion to a descriptor of the program. */
  readonly streams: Readonly<Record<number, number>>;
  /** The request as it was given. */
  readonly request: SpawnRequest;
}

/**
 * The only files of the host that a program can see: the root of a mount namespace of its own, which ends with the
 * program.
 */
export interface PrivateTree {
  /**
   * An existing directory on which the root is assembled, in the new mount namespace only. Its content is hidden there.
   */
  readonly over: string;
  /** Paths to show; none lies below another. Their parent directories are otherwise empty. */
  readonly entries: readonly TreeEntry[];
}

export type TreeEntry =
  /** The host's file of the same path. A directory comes with everything mounted below it, now or later. */
  | { readonly kind: "directory" | "file" | "device"; readonly path: string; readonly readOnly: boolean }
  | { readonly kind: "link"; readonly path: string; readonly target: string }
  /** A procfs that shows only processes of the program's user. */
  | { readonly kind: "proc"; readonly path: string };

/** How a process ended. */
export type ExitStatus =
  | { readonly kind: "exited"; readonly status: number }
  | { readonly kind: "signalled"; readonly signal: number };

export interface ChildProcess {
  readonly pid: number;
  /** Start time in clock ticks since boot (proc(5), stat field 22): with the pid, an identity that is never reused. */
  readonly startTicks: number;
  readonly streams: ReadonlyMap<number, ByteStream>;
  readonly exited: Promise<ExitStatus>;
  /** A process that has ended already (ESRCH) is not an error. */
  kill(signal: number): void;
  /**
   * Like `kill`, for every process of the group. The process must have been started with `newSession`, which makes it a
   * leader.
   */
  killGroup(signal: number): void;
}

export interface ProcessInfo {
  readonly pid: number;
  readonly parentPid: number;
  readonly startTicks: number;
  /** One letter: proc(5), stat field 3. */
  readonly state: string;
  /** Empty for a zombie, and briefly while a program starts, even after `spawn` has resolved. */
  readonly argv: readonly string[];
}

export interface ProcessId {
  readonly pid: number;
  readonly startTicks: number;
}

export interface Processes {
  /**
   * Starts a program; resolves when it runs (its exec succeeded). If a step before that fails (cgroup, namespace,
   * exec), rejects with a SystemError that names the step, and leaves no process behind.
   */
  spawn(request: SpawnRequest): Promise<ChildProcess>;
  /**
   * As `spawn`, for a program that is not known yet. On the small engine the process is born at once, and joins its
   * cgroups while the caller goes on: the kernel can take 20 ms for that. If `program` rejects, rejects with the same,
   * and leaves no process behind.
   */
  spawnLater(birth: Birth, program: Promise<BornProgram>): Promise<ChildProcess>;
  /**
   * Announces programs that need each other and are spawned next. Companions of this process are kept for them only if
   * all of them are companions; otherwise every companion is ended. Default: this process has none.
   */
  readonly expect?: (requests: readonly SpawnRequest[]) => Promise<void>;
  /** `undefined` when there is no such process. A zombie still counts as a process. */
  info(pid: number): Promise<ProcessInfo | undefined>;
  /**
   * Sends the signal only if the pid still belongs to that process; resolves with false when the process is gone. Free
   * of races where the kernel has pidfds.
   */
  signal(id: ProcessId, signal: number): Promise<boolean>;
  /** Resolves when the process is gone or a zombie. */
  waitGone(id: ProcessId, signal?: AbortSignal): Promise<void>;
  /**
   * Until disposed, children that end are not reaped and their `exited` stays pending; if this process ends meanwhile,
   * the process that inherits them gets their statuses. Only the small engine can do this. Node reaps at once; there it
   * does nothing.
   */
  keepEnded(): Disposable;
}
