/**
 * The operating system as the product sees it: the only way from portable code to the host.
 * Implemented over Node (`sys/node`) and over the small engine (`sys/engine`); a test that needs another answer
 * replaces a member. Nothing here names a runtime. Every failure of a call is a `SystemError`.
 */

/** Bytes in a pipe of this process from which nobody else reads. */
export interface PipedBytes {
  /** The pipe's reading end. */
  readonly fd: number;
  /** All that the pipe holds: a virtio port must not get a part. */
  readonly length: number;
}

/** Zero-copy writing of bulk data (splice), on the small engine only. */
export interface PipedWriting {
  /** How many bytes can be written now, at least one. Rejects as a write does. */
  room(): Promise<number>;
  /**
   * Writes `head` and then the piped bytes, no more than there is room for, in line with other writes. Unlike these it
   * settles only when the pipe is no longer used.
   */
  write(bytes: PipedBytes, head?: Uint8Array): Promise<void>;
}

/** A socket, pipe or terminal. Reads are pulled, so a slow reader slows the writer and nothing is buffered unasked. */
export interface ByteStream {
  /**
   * The next bytes, at least one; `undefined` at end of stream. One read at a time. The array belongs to the caller.
   * An aborted read leaves the stream usable and loses no bytes.
   */
  read(signal?: AbortSignal): Promise<Uint8Array | undefined>;
  /** Resolves when the kernel took all bytes. Writes are queued in order; the array must not be changed meanwhile. */
  write(bytes: Uint8Array): Promise<void>;
  /** `write` of all parts in order, with one system call where possible; callers go through `writeParts`. */
  writeAll?(parts: readonly Uint8Array[]): Promise<void>;
  /** Missing where the kernel has no such way. */
  readonly piped?: PipedWriting;
  /** Closes the writing side after what is queued; reading goes on. */
  end(): Promise<void>;
  /** Closes both sides at once; a pending read ends with `undefined`, a pending write fails with EPIPE. Idempotent. */
  close(): void;
}

/** A listening unix socket. */
export interface Listener extends AsyncIterable<ByteStream> {
  readonly path: string;
  /** Stops listening and removes the socket file. */
  close(): Promise<void>;
}

export interface FileStatus {
  readonly kind: "file" | "directory" | "symlink" | "fifo" | "socket" | "character" | "block";
  /** Permission bits and setuid, setgid, sticky. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly device: bigint;
  readonly inode: bigint;
  /** Device number of a device node, else 0. */
  readonly deviceNumber: bigint;
  /** Milliseconds since 1970, with fractions down to what the file system keeps; the same under every engine. */
  readonly modifiedMs: number;
  /** ctime: the last change of content or metadata. Programs cannot set it. */
  readonly changedMs: number;
  /** Allocated space; holes do not count. */
  readonly allocatedBytes: number;
}

export interface Files {
  /** Reads a whole file; fails with EFBIG beyond `limit` bytes (default 16 MiB). */
  readBytes(path: string, limit?: number): Promise<Uint8Array>;
  /** The first bytes of a file, all of a shorter one. */
  readStart(path: string, length: number): Promise<Uint8Array>;
  /** SHA-512 of the whole file, in hexadecimal digits. Only under Node, the small engine refuses with ENOSYS. */
  sha512(path: string): Promise<string>;
  /** Size of the file system that the path is on. Only under Node; the small engine refuses with ENOSYS. */
  capacityBytes(path: string): Promise<number>;
  /** Whole file as UTF-8. */
  readText(path: string, limit?: number): Promise<string>;
  /** Creates or truncates; with `exclusive` an existing file is EEXIST; with `append` adds at the end. Not durable. */
  write(path: string, data: string | Uint8Array, options?: WriteOptions): Promise<void>;
  /** Truncates or extends an existing file to a length in bytes; the extension reads as zeros and takes no space. */
  resize(path: string, length: number): Promise<void>;
  /** Durable replacement: temporary file, fsync, rename, fsync of the directory. Default mode 0600. */
  replace(path: string, data: string | Uint8Array, mode?: number): Promise<void>;
  makeDir(path: string, mode: number): Promise<void>;
  /** Like `mkdir -p`; `mode` for every directory made. */
  makeDirs(path: string, mode: number): Promise<void>;
  /** Removes a file, socket or symlink. */
  removeFile(path: string): Promise<void>;
  removeDir(path: string): Promise<void>;
  /** Removes a tree without following symlinks; refuses with EBUSY, before anything is removed, when a mount lies on or below it. */
  removeTree(path: string): Promise<void>;
  /** Names in no order, without `.` and `..`. */
  list(path: string): Promise<string[]>;
  /** Follows symlinks; `undefined` when there is nothing. */
  status(path: string): Promise<FileStatus | undefined>;
  /** Of the path itself; `undefined` when there is nothing. */
  linkStatus(path: string): Promise<FileStatus | undefined>;
  rename(from: string, to: string): Promise<void>;
  symlink(target: string, path: string): Promise<void>;
  readLink(path: string): Promise<string>;
  realPath(path: string): Promise<string>;
  changeMode(path: string, mode: number): Promise<void>;
  changeOwner(path: string, uid: number, gid: number): Promise<void>;
  /** Takes an exclusive flock(2) on the file, made if missing; held until disposed or the process ends. */
  lock(path: string, signal?: AbortSignal): Promise<AsyncDisposable>;
}

export interface WriteOptions {
  /** Default 0600. */
  readonly mode?: number;
  readonly exclusive?: boolean;
  readonly append?: boolean;
}

/** What a descriptor of a new process refers to. */
export type Descriptor =
  | { readonly kind: "null" }
  /**
   * Our end is in `ChildProcess.streams` under the same number: a connected unix stream socket pair. What is `said` is the first
   * that the program reads from it: some hundred bytes, which need nobody who runs beside its start.
   */
  | { readonly kind: "stream"; readonly said?: string }
  /** A descriptor of ours. */
  | { readonly kind: "inherit"; readonly fd: number }
  /** A listening unix socket, bound before the program starts. The caller removes the file. */
  | { readonly kind: "listen"; readonly path: string; readonly mode: number }
  /** A file opened for appending. */
  | { readonly kind: "append"; readonly path: string; readonly mode: number }
  /** A file opened for reading, or for reading and writing; `direct` past the page cache (O_DIRECT), default false. */
  | { readonly kind: "read" | "readWrite"; readonly path: string; readonly direct?: boolean }
  /** A connection to a unix socket that somebody listens on already. */
  | { readonly kind: "connect"; readonly path: string }
  /** The tap interface named `path` in this network namespace; created if missing, until it is closed. */
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
  /** By number; what is not listed is closed. 0, 1 and 2 default to null. */
  readonly descriptors: Readonly<Record<number, Descriptor>>;
  /** Cgroup directories the process is born in: it joins them before it runs the program. */
  readonly cgroups?: readonly string[];
  /** `new` makes one, a path joins it. */
  readonly networkNamespace?: "new" | { readonly path: string };
  /** Signal the process gets when its parent dies. */
  readonly parentDeathSignal?: number;
  readonly newSession?: boolean;
  readonly noNewPrivileges?: boolean;
  /** Disables transparent huge pages for it, so that only memory it has touched is resident. */
  readonly smallPages?: boolean;
  /**
   * The program has these capabilities, by number, and can get no other, whatever its user: for root what is left are its
   * files. Default: those of this process, for root.
   */
  readonly capabilities?: readonly number[];
  /**
   * The program keeps its capabilities while it takes another user's number: what it makes for somebody is theirs, and made
   * with its own rights. Takes CAP_SETPCAP.
   */
  readonly rightsAsAnyUser?: boolean;
  /**
   * The program runs as a user and group that no other process has (`ownUserOf`): it may do what everybody may, and what the
   * group may that is named, unless that is 0. Directory and descriptors are root's doing.
   */
  readonly ownUser?: { readonly group: number };
  /** Default: it sees what this process sees. */
  readonly tree?: PrivateTree;
  readonly companions?: CompanionsRequest;
}

/** Processes that are started before a program, in this order, as its children. */
export interface CompanionsRequest {
  /** If one cannot be started, those before it are ended, and the program starts without companions. */
  readonly requests: readonly SpawnRequest[];
  /**
   * Descriptor of the program, above all others of it: a file with a list of `CompanionReport` as JSON, of those that run.
   * The numbers after it are the program's ends of their streams.
   */
  readonly at: number;
}

export interface CompanionReport {
  readonly pid: number;
  readonly startTicks: number;
  /** Descriptor of the program, by the stream's number in the companion. */
  readonly streams: Readonly<Record<number, number>>;
  /** As it was asked for. */
  readonly request: SpawnRequest;
}

/** The only files of the host that a program can see: the root of its own mount namespace, which ends with it. */
export interface PrivateTree {
  /** An existing directory on which the root is assembled, in the new mount namespace only. Its content is hidden. */
  readonly over: string;
  /** Paths to show; none lies below another. Their parent directories are otherwise empty. */
  readonly entries: readonly TreeEntry[];
}

export type TreeEntry =
  /** The host's own, of the same path; of a directory with all that is mounted below it, also what comes later. */
  | { readonly kind: "directory" | "file" | "device"; readonly path: string; readonly readOnly: boolean }
  | { readonly kind: "link"; readonly path: string; readonly target: string }
  /** proc(5), with no process but those of the program's user. */
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
  /** ESRCH is not an error. */
  kill(signal: number): void;
  /** As `kill`, of every process of its group; for one that was started with `newSession`, which leads a group. */
  killGroup(signal: number): void;
}

export interface ProcessInfo {
  readonly pid: number;
  readonly parentPid: number;
  readonly startTicks: number;
  /** One letter of proc(5) stat field 3. */
  readonly state: string;
  /** Empty for a zombie, and for a moment while a program starts, even after `spawn` has resolved. */
  readonly argv: readonly string[];
}

export interface ProcessId {
  readonly pid: number;
  readonly startTicks: number;
}

export interface Processes {
  /**
   * Starts a program; resolves when it runs (its exec succeeded). A failing step before (cgroup, namespace, exec)
   * rejects with a SystemError that names it, and leaves no process.
   */
  spawn(request: SpawnRequest): Promise<ChildProcess>;
  /** `undefined` when there is no such process; a zombie is one. */
  info(pid: number): Promise<ProcessInfo | undefined>;
  /** Sends only if the process still is that one; false when it is gone. Race-free by pidfd where the kernel has it. */
  signal(id: ProcessId, signal: number): Promise<boolean>;
  /** Resolves when that process is gone or a zombie. */
  waitGone(id: ProcessId, signal?: AbortSignal): Promise<void>;
  /**
   * Until it is disposed children that end are not reaped, and `exited` stays open: when this process ends meanwhile,
   * their statuses are for whoever inherits them. Only the small engine can; Node reaps at once, and this does nothing.
   */
  keepEnded(): Disposable;
}

export interface Sockets {
  /** Connects to a unix stream socket; ECONNREFUSED and ENOENT as the kernel says. */
  connect(path: string, signal?: AbortSignal): Promise<ByteStream>;
  /** Paths over 107 bytes are ENAMETOOLONG. */
  listen(path: string, mode: number): Promise<Listener>;
  /**
   * Writes `text` with a descriptor (SCM_RIGHTS) for whoever reads it. The stream is a connected unix socket of ours, from
   * `connect` or of a child, to which nobody else writes meanwhile. EAGAIN when there is no room for all of the text.
   */
  sendDescriptor(stream: ByteStream, text: string, descriptor: OpenedDescriptor): Promise<void>;
}

export interface MountRequest {
  /** `undefined` for a pure change of an existing mount. */
  readonly source?: string;
  /**
   * Of a bind: resolve `source` below this directory with openat2(2) RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS; EXDEV when a
   * link leads out of it. For sources in a tree that a guest can write.
   */
  readonly sourceBeneath?: string;
  readonly target: string;
  readonly type?: string;
  /** Of `bind rec remount private slave shared unbindable ro nosuid nodev noexec noatime relatime …`. */
  readonly flags: readonly string[];
  /** File system specific text. */
  readonly data?: string;
  /**
   * Resolve `target` below this directory with openat2(2) RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS and mount on the
   * descriptor: for trees that a guest can write.
   */
  readonly beneath?: string;
}

export interface MountEntry {
  readonly id: number;
  readonly parentId: number;
  readonly root: string;
  readonly target: string;
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
  readonly optionalFields: readonly string[];
}

export interface Mounts {
  mount(request: MountRequest): Promise<void>;
  /** umount2 with UMOUNT_NOFOLLOW; `lazy` adds MNT_DETACH. Not mounted is not an error. */
  unmount(target: string, options?: { lazy?: boolean }): Promise<void>;
  /** /proc/self/mountinfo, in its order. */
  table(): Promise<MountEntry[]>;
}

export interface WindowSize {
  readonly rows: number;
  readonly columns: number;
}

/** Terminals and descriptors; only the small engine has them, Node refuses with ENOSYS. */
export interface Terminals {
  isTerminal(fd: number): boolean;
  /** Raw mode; the result restores what was before, twice is harmless. */
  makeRaw(fd: number): { restore(): void };
  windowSize(fd: number): WindowSize;
  setWindowSize(fd: number, size: WindowSize): void;
  openPty(): { readonly master: number; readonly slave: number };
  /** Makes it the controlling terminal of this session, whose leader this process must be. */
  setControllingTerminal(fd: number): void;
  /** Connects to a unix socket and sends one descriptor with SCM_RIGHTS and `name` as the data. */
  sendDescriptor(socketPath: string, fd: number, name: string): Promise<void>;
}

/** A signal this process got. */
export interface SignalEvent {
  readonly signal: number;
  /** `true` when the kernel made it for the whole foreground group (a terminal's ^C), not a process. */
  readonly fromKernel: boolean;
  readonly senderPid: number;
}

/** This process. */
export interface Self {
  readonly pid: number;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Path of the running executable. */
  readonly executable: string;
  readonly startTicks: number;
  cwd(): string;
  /** Takes over delivery of these signals for the life of the process. */
  onSignals(signals: readonly number[], handler: (event: SignalEvent) => void): void;
  /**
   * A stream over a descriptor of this process. Works for anything (files, /dev/null, terminals, pipes) and never sets
   * O_NONBLOCK on it: descriptors are shared with whoever gave them. Closing the stream closes the descriptor.
   */
  stream(fd: number): ByteStream;
  closeDescriptor(fd: number): void;
  exit(status: number): never;
}

export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Milliseconds from an arbitrary point, never set back. */
  monotonic(): number;
}

export interface Os {
  readonly files: Files;
  readonly processes: Processes;
  readonly sockets: Sockets;
  readonly mounts: Mounts;
  readonly terminals: Terminals;
  readonly self: Self;
  readonly clock: Clock;
  /** Cryptographically strong. */
  random(length: number): Uint8Array;
}
