/**
 * The operating system as the product sees it: portable code reaches the host only through this interface. It is
 * implemented over Node (`sys/node`) and over the small engine (`sys/engine`); a test that needs another answer
 * replaces a member. Nothing here depends on a runtime. Every call that fails throws or rejects with a `SystemError`.
 */

import type { OpenedDescriptor, Processes } from "./os-processes.ts";
import type { ByteStream, Listener } from "./os-streams.ts";

export type * from "./os-processes.ts";
export type * from "./os-streams.ts";

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
