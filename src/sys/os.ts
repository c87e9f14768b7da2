/**
 * The operating system as the product sees it: portable code reaches the host only through this interface. It is
 * implemented over Node (`sys/node`) and over the small engine (`sys/engine`); a test that needs another answer
 * replaces a member. Nothing here depends on a runtime. Every call that fails throws or rejects with a `SystemError`.
 */

/** Bytes in a pipe of this process. Nobody else reads from the pipe. */
export interface PipedBytes {
  /** The pipe's reading end. */
  readonly fd: number;
  /** Everything the pipe holds; never a part of it, which a virtio port could not handle. */
  readonly length: number;
}

/** Zero-copy writing of bulk data (splice). Only the small engine has it. */
export interface PipedWriting {
  /** Resolves with the number of bytes that can be written now, at least one. Rejects as a write does. */
  room(): Promise<number>;
  /**
   * Writes `head`, then the piped bytes; there must be room for all of them. Queued in order with other writes, but
   * unlike those it settles only when the pipe is no longer in use.
   */
  write(bytes: PipedBytes, head?: Uint8Array): Promise<void>;
}

/** A socket, pipe or terminal. Reads are pulled, so a slow reader slows the writer and nothing is buffered unasked. */
export interface ByteStream {
  /**
   * The next bytes, at least one; `undefined` at end of stream. Only one read at a time. The array belongs to the
   * caller. An aborted read leaves the stream usable and loses no bytes.
   */
  read(signal?: AbortSignal): Promise<Uint8Array | undefined>;
  /**
   * Resolves when the kernel has taken all bytes. Writes are queued in order; the array must not be changed meanwhile.
   */
  write(bytes: Uint8Array): Promise<void>;
  /** Writes all parts in order, with one system call where possible. Callers use `writeParts`. */
  writeAll?(parts: readonly Uint8Array[]): Promise<void>;
  /** `undefined` where the kernel cannot splice into this stream. */
  readonly piped?: PipedWriting;
  /** Closes the writing side once all queued writes are done. Reading goes on. */
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
  /** Permission bits, setuid, setgid and sticky. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly device: bigint;
  readonly inode: bigint;
  /** Device number of a device node, else 0. */
  readonly deviceNumber: bigint;
  /**
   * Milliseconds since 1970, with as many fractional digits as the file system keeps; the same in both implementations.
   */
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
  /** SHA-512 of the whole file, in hexadecimal. Only under Node; the small engine refuses with ENOSYS. */
  sha512(path: string): Promise<string>;
  /** Size of the file system that holds the path. Only under Node; the small engine refuses with ENOSYS. */
  capacityBytes(path: string): Promise<number>;
  /** Whole file as UTF-8. */
  readText(path: string, limit?: number): Promise<string>;
  /**
   * Creates or truncates the file. With `exclusive`, an existing file is EEXIST; with `append`, the data is added at
   * the end. Not durable.
   */
  write(path: string, data: string | Uint8Array, options?: WriteOptions): Promise<void>;
  /**
   * Truncates or extends an existing file to a length in bytes. The extension is a hole: it reads as zeros and takes no
   * space.
   */
  resize(path: string, length: number): Promise<void>;
  /** Durable replacement: temporary file, fsync, rename, fsync of the directory. Default mode 0600. */
  replace(path: string, data: string | Uint8Array, mode?: number): Promise<void>;
  makeDir(path: string, mode: number): Promise<void>;
  /** Like `mkdir -p`; every directory it creates gets `mode`. */
  makeDirs(path: string, mode: number): Promise<void>;
  /** Removes a file, socket or symlink. */
  removeFile(path: string): Promise<void>;
  removeDir(path: string): Promise<void>;
  /**
   * Removes a tree without following symlinks. If a mount lies on or below the path, refuses with EBUSY and removes
   * nothing.
   */
  removeTree(path: string): Promise<void>;
  /** Names in no particular order, without `.` and `..`. */
  list(path: string): Promise<string[]>;
  /** Follows symlinks; `undefined` when nothing exists there. */
  status(path: string): Promise<FileStatus | undefined>;
  /** The status of the path itself, even if it is a symlink; `undefined` when nothing exists there. */
  linkStatus(path: string): Promise<FileStatus | undefined>;
  rename(from: string, to: string): Promise<void>;
  symlink(target: string, path: string): Promise<void>;
  readLink(path: string): Promise<string>;
  realPath(path: string): Promise<string>;
  changeMode(path: string, mode: number): Promise<void>;
  changeOwner(path: string, uid: number, gid: number): Promise<void>;
  /**
   * Takes an exclusive flock(2) on the file, which is created if missing. Held until disposed or until the process
   * ends.
   */
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
   * As `spawn`, for a program that is not known yet. On the small engine the process is born at once, and joins its cgroups while
   * the caller goes on: the kernel can take 20 ms for that. If `program` rejects, rejects with the same, and leaves no process
   * behind.
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

export interface Sockets {
  /** Connects to a unix stream socket; fails with the kernel's ECONNREFUSED or ENOENT. */
  connect(path: string, signal?: AbortSignal): Promise<ByteStream>;
  /** A path longer than 107 bytes is ENAMETOOLONG. */
  listen(path: string, mode: number): Promise<Listener>;
  /**
   * Sends `text` together with a descriptor (SCM_RIGHTS) to the peer. The stream is a connected unix socket, from
   * `connect` or of a child, to which nobody else writes meanwhile. EAGAIN when there is no room for the whole text.
   */
  sendDescriptor(stream: ByteStream, text: string, descriptor: OpenedDescriptor): Promise<void>;
}

export interface MountRequest {
  /** `undefined` to change an existing mount only. */
  readonly source?: string;
  /**
   * For a bind: resolve `source` below this directory with openat2(2) RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS; EXDEV
   * when a link leads out of it. Needed for sources in a tree that a guest can write to.
   */
  readonly sourceBeneath?: string;
  readonly target: string;
  readonly type?: string;
  /** Any of `bind rec remount private slave shared unbindable ro nosuid nodev noexec noatime relatime …`. */
  readonly flags: readonly string[];
  /** Options specific to the file system. */
  readonly data?: string;
  /**
   * Resolve `target` below this directory with openat2(2) RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS and mount on the
   * descriptor. Needed for trees that a guest can write to.
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
  /** umount2 with UMOUNT_NOFOLLOW; `lazy` adds MNT_DETACH. A path where nothing is mounted is not an error. */
  unmount(target: string, options?: { lazy?: boolean }): Promise<void>;
  /** /proc/self/mountinfo, in its order. */
  table(): Promise<MountEntry[]>;
}

export interface WindowSize {
  readonly rows: number;
  readonly columns: number;
}

/** Terminals and descriptors. Only the small engine has them; Node refuses with ENOSYS. */
export interface Terminals {
  isTerminal(fd: number): boolean;
  /** Switches to raw mode. `restore` brings back the previous mode; calling it twice is harmless. */
  makeRaw(fd: number): { restore(): void };
  windowSize(fd: number): WindowSize;
  setWindowSize(fd: number, size: WindowSize): void;
  openPty(): { readonly master: number; readonly slave: number };
  /** Makes the terminal the controlling terminal of this process's session. This process must be the session leader. */
  setControllingTerminal(fd: number): void;
  /** Connects to a unix socket and sends one descriptor with SCM_RIGHTS; the data is `name`. */
  sendDescriptor(socketPath: string, fd: number, name: string): Promise<void>;
}

/** A signal that this process received. */
export interface SignalEvent {
  readonly signal: number;
  /**
   * `true` when the kernel sent it to the whole foreground group (^C on a terminal), `false` when a process sent it.
   */
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
  /** Handles these signals with `handler` for the rest of the process's life. */
  onSignals(signals: readonly number[], handler: (event: SignalEvent) => void): void;
  /**
   * A stream over a descriptor of this process. Works for everything (files, /dev/null, terminals, pipes) and never
   * sets O_NONBLOCK, because descriptors are shared with the processes they came from. Closing the stream closes the
   * descriptor.
   */
  stream(fd: number): ByteStream;
  closeDescriptor(fd: number): void;
  exit(status: number): never;
}

export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Milliseconds since an arbitrary point; never goes back. */
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
