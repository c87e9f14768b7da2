/**
 * The interface of the C host (`src/sys/native`) to TypeScript. Only `sys/linux` and `sys/engine` import it.
 *
 * Every call returns its result or the negated errno. Where several arguments describe one buffer (`buffer, offset,
 * length`), the range is checked; a fixed structure is checked for its size. A wrong type or range throws.
 */
declare module "kumite:native" {
  /** A string, or bytes with exactly one NUL, at the end, for names that are not UTF-8. An embedded NUL is EINVAL. */
  type Path = string | Uint8Array;
  type Bytes = Uint8Array;
  type Integer = number | bigint;

  /** Flags whose values differ between architectures. */
  const O_DIRECT: number;
  const O_DIRECTORY: number;
  const O_NOFOLLOW: number;

  /* calls.c, in its order */
  function openat(directory: number, path: Path, flags: number, mode: number): number;
  function openat2(directory: number, path: Path, how: Bytes): number;
  function close(fd: number): number;
  function close_range(first: number, last: number, flags: number): number;
  function read(fd: number, buffer: Bytes, offset: number, length: number): number;
  function write(fd: number, buffer: Bytes, offset: number, length: number): number;
  function pread64(fd: number, buffer: Bytes, offset: number, length: number, position: Integer): number;
  function pwrite64(fd: number, buffer: Bytes, offset: number, length: number, position: Integer): number;
  function lseek(fd: number, offset: Integer, whence: number): number;
  function ftruncate(fd: number, length: Integer): number;
  function fsync(fd: number): number;
  function fallocate(fd: number, mode: number, offset: Integer, length: Integer): number;
  function flock(fd: number, operation: number): number;
  function getdents64(fd: number, buffer: Bytes, offset: number, length: number): number;
  function statx(directory: number, path: Path, flags: number, mask: number, status: Bytes): number;
  function statfs(path: Path, status: Bytes): number;
  function fstatfs(fd: number, status: Bytes): number;
  function faccessat(directory: number, path: Path, mode: number): number;
  function mkdirat(directory: number, path: Path, mode: number): number;
  function mknodat(directory: number, path: Path, mode: number, device: Integer): number;
  function unlinkat(directory: number, path: Path, flags: number): number;
  function renameat2(fromDirectory: number, from: Path, toDirectory: number, to: Path, flags: number): number;
  function linkat(fromDirectory: number, from: Path, toDirectory: number, to: Path, flags: number): number;
  function symlinkat(target: Path, directory: number, path: Path): number;
  function readlinkat(directory: number, path: Path, buffer: Bytes, offset: number, length: number): number;
  function fchmod(fd: number, mode: number): number;
  function fchmodat(directory: number, path: Path, mode: number): number;
  function fchown(fd: number, uid: number, gid: number): number;
  function fchownat(directory: number, path: Path, uid: number, gid: number, flags: number): number;
  function utimensat(directory: number, path: Path | null, times: Bytes | null, flags: number): number;
  function umask(mask: number): number;
  function chdir(path: Path): number;
  function fchdir(fd: number): number;
  function chroot(path: Path): number;
  function getcwd(buffer: Bytes, offset: number, length: number): number;
  function memfd_create(name: string, flags: number): number;
  function madvise(address: Integer, length: Integer, advice: number): number;
  function sync(): number;
  function syncfs(fd: number): number;
  function splice(
    from: number,
    fromOffset: Bytes | null,
    to: number,
    toOffset: Bytes | null,
    length: number,
    flags: number,
  ): number;
  function sendfile(to: number, from: number, offset: Bytes | null, length: number): number;
  function getxattr(path: Path, name: string, buffer: Bytes, offset: number, length: number): number;
  function lgetxattr(path: Path, name: string, buffer: Bytes, offset: number, length: number): number;
  function setxattr(path: Path, name: string, buffer: Bytes, offset: number, length: number, flags: number): number;
  function dup(fd: number): number;
  function dup3(from: number, to: number, flags: number): number;
  function fcntl(fd: number, command: number, argument: number): number;
  function pipe2(pair: Bytes, flags: number): number;
  function eventfd2(initial: number, flags: number): number;
  function timerfd_create(clock: number, flags: number): number;
  function timerfd_settime(fd: number, flags: number, value: Bytes, before: Bytes | null): number;
  function signalfd4(fd: number, mask: Bytes, flags: number): number;
  function inotify_init1(flags: number): number;
  function inotify_add_watch(fd: number, path: Path, mask: number): number;
  function inotify_rm_watch(fd: number, watch: number): number;
  function socket(domain: number, type: number, protocol: number): number;
  function socketpair(domain: number, type: number, protocol: number, pair: Bytes): number;
  function bind(fd: number, address: Bytes, offset: number, length: number): number;
  function connect(fd: number, address: Bytes, offset: number, length: number): number;
  function listen(fd: number, backlog: number): number;
  function accept4(fd: number, flags: number): number;
  function shutdown(fd: number, how: number): number;
  function recvfrom(fd: number, buffer: Bytes, offset: number, length: number, flags: number): number;
  function sendto(fd: number, buffer: Bytes, offset: number, length: number, flags: number): number;
  function setsockopt(fd: number, level: number, name: number, value: Bytes, offset: number, length: number): number;
  function getpid(): number;
  function getppid(): number;
  function gettid(): number;
  function getuid(): number;
  function geteuid(): number;
  function getgid(): number;
  function getpgid(pid: number): number;
  function setpgid(pid: number, group: number): number;
  function getsid(pid: number): number;
  function setsid(): number;
  function setfsuid(uid: number): number;
  function setfsgid(gid: number): number;
  function setresuid(real: number, effective: number, saved: number): number;
  function setresgid(real: number, effective: number, saved: number): number;
  function capget(header: Bytes, data: Bytes): number;
  function capset(header: Bytes, data: Bytes): number;
  function prlimit64(pid: number, resource: number, limit: Bytes | null, before: Bytes | null): number;
  function setpriority(which: number, who: number, priority: number): number;
  function ioprio_set(which: number, who: number, priority: number): number;
  function sched_setattr(pid: number, attributes: Bytes): number;
  function sched_setaffinity(pid: number, processors: Bytes): number;
  function personality(persona: number): number;
  function prctl(option: number, a: Integer, b: Integer, c: Integer, d: Integer): number;
  function waitid(idType: number, id: number, info: Bytes, options: number): number;
  function kill(pid: number, signal: number): number;
  function tgkill(group: number, thread: number, signal: number): number;
  function pidfd_open(pid: number, flags: number): number;
  function pidfd_send_signal(fd: number, signal: number, flags: number): number;
  function pidfd_getfd(pidfd: number, fd: number, flags: number): number;
  function rt_sigtimedwait(set: Bytes, info: Bytes | null, limit: Bytes): number;
  function rt_sigprocmask(how: number, set: Bytes | null, before: Bytes | null): number;
  function setns(fd: number, type: number): number;
  function unshare(flags: number): number;
  function keyctl(operation: number, text: string | null): number;
  function keyctl_numbers(operation: number, a: number, b: number): number;
  function mount(source: Path | null, target: Path, type: string | null, flags: Integer, data: string | null): number;
  function umount2(target: Path, flags: number): number;
  function pivot_root(root: Path, old: Path): number;
  function open_tree(directory: number, path: Path, flags: number): number;
  function move_mount(fromDirectory: number, from: Path, toDirectory: number, to: Path, flags: number): number;
  function mount_setattr(directory: number, path: Path, flags: number, attributes: Bytes): number;
  function fsopen(type: string, flags: number): number;
  function fsconfig(fd: number, command: number, key: string | null, value: string | null, auxiliary: number): number;
  function fspick(directory: number, path: Path, flags: number): number;
  function fsmount(fd: number, flags: number, attributes: number): number;
  function clock_gettime(clock: number, time: Bytes): number;
  function clock_settime(clock: number, time: Bytes): number;
  function getrandom(buffer: Bytes, offset: number, length: number, flags: number): number;
  function sethostname(name: Bytes, offset: number, length: number): number;
  function setdomainname(name: Bytes, offset: number, length: number): number;
  function uname(names: Bytes): number;
  function reboot(magic1: number, magic2: number, command: number, text: string | null): number;
  function swapon(path: Path, flags: number): number;
  function finit_module(fd: number, parameters: string, flags: number): number;
  function delete_module(name: string, flags: number): number;

  /* vectors.c, messages.c: at most 64 buffers and 253 descriptors */
  function readv(fd: number, buffers: readonly Bytes[]): number;
  function writev(fd: number, buffers: readonly Bytes[]): number;
  /**
   * Reads repeatedly until the buffer is full or a read returns less than `piece` bytes: for a descriptor that returns
   * at most a piece per read.
   */
  function readPieces(fd: number, buffer: Bytes, offset: number, length: number, piece: number): number;
  function sendmsg(
    fd: number,
    buffers: readonly Bytes[],
    descriptors: readonly number[],
    flags: number,
    address: Bytes | null,
  ): number;
  /** Returns the result, the message flags, and the descriptors (close-on-exec). */
  function recvmsg(fd: number, buffers: readonly Bytes[], flags: number): [number, number, number[]];

  /* control.c */
  /** A buffer is checked for the size that the request implies. */
  function ioctl(fd: number, request: number, argument: Integer | Bytes): number;
  function setgroups(groups: Uint32Array): number;

  /* process.c */
  /**
   * Like fork(2), with flags of clone(2): CLONE_NEW* and CLONE_PARENT. Returns 0 in the child, which has a copy of
   * everything. The child may make system calls, must not wait for events, and must end with `execve` or `exit`.
   */
  function fork(flags: number): number;
  /** Like `fork`, but the child starts in the cgroup (v2) whose directory the descriptor is. */
  function forkInto(flags: number, cgroupDirectory: number): number;
  /**
   * A fork without JavaScript, in that cgroup, which carries out the steps (birth.h) and never returns here.
   * `descriptors`: the socket to the agent, standard input, output and error, and optionally a pidfd of the container's
   * first process, whose namespaces `entered` are entered. A negative personality means none.
   */
  function bear(
    flags: number,
    cgroupDirectory: number,
    descriptors: readonly number[],
    entered: number,
    keyring: string | null,
    personality: number,
    steps: Bytes,
    filterFlags: number,
    filter: Bytes | null,
  ): number;
  /**
   * A step: a call of the table above by name; or `["requireParent", pid]`, which fails with ESRCH if the parent is
   * another; or `["seccomp", flags, filter]`, as in `execveFiltered`; or `dropBounding` or `ownUser`, with the
   * arguments of these functions.
   */
  type SpawnStep = readonly [name: string, ...args: readonly (Integer | Path | null)[]];
  /**
   * Starts a child at the cost of vfork(2). The child resets signals, makes the calls in order, and executes the
   * program. At most 160 steps. Returns the pid or negated errno, and the failed step: -1 for none or the fork itself,
   * `steps.length` for the exec.
   */
  function spawn(
    flags: number,
    steps: readonly SpawnStep[],
    path: Path,
    argv: readonly string[],
    env: readonly string[],
  ): [number, number];
  /** Returns only on failure. */
  function execve(path: Path, argv: readonly string[], env: readonly string[]): number;
  /**
   * Like `execve`, under a seccomp filter of `struct sock_filter` that is set immediately before. Returns the negated
   * errno and whether the filter was set; if so, the filter may refuse calls needed to report the error.
   */
  function execveFiltered(
    flags: number,
    filter: Bytes,
    path: Path,
    argv: readonly string[],
    env: readonly string[],
  ): [number, boolean];
  function exit(status: number): never;
  /**
   * Removes these capabilities, given as 64 bits, from the bounding set. Bits beyond the kernel's last capability are
   * ignored.
   */
  function dropBounding(low: number, high: number): number;
  /** Sets user and group id to `first` plus the pid, with `group` as the only additional group, or none if it is 0. */
  function ownUser(first: number, group: number): number;
  /** Resets all signals to their defaults and unblocks them. */
  function resetSignals(): void;

  /* filters.c */
  /** `instructions` are `struct bpf_insn`; the verifier writes to `log`. Returns a close-on-exec descriptor. */
  function bpfLoad(type: number, attachType: number, instructions: Bytes, log: Bytes | null): number;
  function bpfAttach(target: number, program: number, attachType: number, flags: number, replaced: number): number;
  /** Fills in the ids of attached programs; returns their number. */
  function bpfAttached(target: number, attachType: number, ids: Uint32Array): number;
  function bpfById(id: number): number;

  /* text.c */
  function encodeUtf8(text: string): ArrayBuffer;
  /**
   * With `fatal`, returns `null` for ill-formed text; otherwise replaces ill-formed bytes as the Encoding standard
   * says.
   */
  function decodeUtf8(buffer: Bytes, offset: number, length: number, fatal: boolean): string | null;

  /* loop.c */
  type FailureOrigin = "handler" | "rejection" | "job";
  function setHandlers(
    onEvent: (token: number, events: number) => void,
    onUncaught: (error: unknown, origin: FailureOrigin) => void,
  ): void;
  /**
   * When this is 0 and no job is pending, the loop ends the process: with status 0, or 13 if the module still awaits
   * something.
   */
  function setActive(count: number): void;
  /** Called once, when all modules have been evaluated, which may happen when the executable is built. */
  function setMain(main: () => void): void;
  /**
   * From now on, the process ends with status 70 and a line on descriptor 2 if memory has run out and then either no
   * event comes for one second or ten seconds have passed: the engine drops jobs for which it has no memory, so the
   * process might wait forever.
   */
  function endWithoutMemory(): void;
  /** epoll_ctl(2) on the loop's instance. */
  function epollControl(operation: number, fd: number, events: number, token: number): number;

  /* runtime.c, native-module.c */
  /**
   * @param room bytes that may be allocated before the next collection; default: half as much as is in use, but a
   * minimum
   */
  function collectGarbage(room?: number): void;
  /**
   * Limits JavaScript's memory to a quarter of the system's, but within these bounds. Allocating more throws an
   * exception; if there is no memory even for that, `null` is thrown.
   */
  function limitMemory(mostBytes: number, leastBytes: number): void;
  /** Bytes in use by JavaScript. */
  function memoryUsed(): number;
  /** Whether an allocation of JavaScript has ever failed: any later error is probably a consequence of that. */
  function memoryHasRunOut(): boolean;
  function processArguments(): string[];
  function processEnvironment(): string[];
}
