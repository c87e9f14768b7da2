/** Processes: forking, executing programs, sessions, exiting. */
import * as native from "kumite:native";
import { check, failure, type Path } from "./check.ts";

export const CLONE_NEWNS = 0x00020000;
export const CLONE_NEWNET = 0x40000000;
export const CLONE_PARENT = 0x00008000;

/**
 * A copy of this process, in new namespaces according to `flags`. Returns 0 in the child, which may make system calls
 * but must not await anything, since the event loop is the parent's. The child must end with `execve` or `exit`.
 */
export function fork(flags = 0): number {
  return check(native.fork(flags), "clone");
}

/** Replaces the program. Returns only by throwing. */
export function execve(path: Path, argv: readonly string[], env: readonly string[]): never {
  throw failureOf(native.execve(path, argv, env), path);
}

function failureOf(result: number, path: Path): unknown {
  try {
    check(result, "exec", path);
  } catch (error) {
    return error;
  }
  return new Error("execve returned without an error");
}

/** SECCOMP_FILTER_FLAG_* bits, and `struct sock_filter` of 8 bytes each. */
export interface ProgramFilter {
  readonly flags: number;
  readonly program: Uint8Array;
}

/**
 * Like `execve`, under a seccomp filter, which needs no_new_privs or CAP_SYS_ADMIN. If the program cannot be executed,
 * the process stays under the filter.
 */
export function execveFiltered(
  { flags, program }: ProgramFilter,
  path: Path,
  argv: readonly string[],
  env: readonly string[],
): never {
  const [result, isSet] = native.execveFiltered(flags, program, path, argv, env);
  throw isSet ? failureOf(result, path) : failure(result, "seccomp");
}

/** Ends the process at once, without flushing or clean-up. */
export function exit(status: number): never {
  return native.exit(status);
}

/**
 * Starts a child that runs a program with these standard descriptors in a session of its own, at the cost of vfork(2).
 * Descriptors that are not close-on-exec stay open in it. Returns the pid.
 */
export function startProgram(
  [stdin, stdout, stderr]: readonly [number, number, number],
  path: Path,
  argv: readonly string[],
  env: readonly string[],
  filter?: ProgramFilter,
): number {
  const steps: native.SpawnStep[] = [
    ["dup3", stdin, 0, 0],
    ["dup3", stdout, 1, 0],
    ["dup3", stderr, 2, 0],
    ["setsid"],
    ...(filter === undefined ? [] : [["seccomp", filter.flags, filter.program] as const]),
  ];
  const [pid, step] = native.spawn(0, steps, path, argv, env);
  return check(pid, step === steps.length ? "exec" : "spawn", path);
}

export function getpid(): number {
  return native.getpid();
}

export function getppid(): number {
  return native.getppid();
}

/** Makes the process the leader of a new session without a terminal. */
export function setsid(): number {
  return check(native.setsid(), "setsid");
}

export function setpgid(pid: number, group: number): void {
  check(native.setpgid(pid, group), "setpgid");
}

/** `fd`: a namespace or a pidfd; `type`: CLONE_NEW* bits, 0 for any. */
export function setns(fd: number, type: number, subject?: string): void {
  check(native.setns(fd, type), "setns", subject);
}

export function unshare(flags: number): void {
  check(native.unshare(flags), "unshare");
}

export const PR_SET_PDEATHSIG = 1;
export const PR_SET_DUMPABLE = 4;
export const PR_SET_KEEPCAPS = 8;
export const PR_CAPBSET_DROP = 24;
export const PR_SET_SECUREBITS = 28;
export const PR_SET_NO_NEW_PRIVS = 38;
export const PR_SET_THP_DISABLE = 41;
export const PR_CAP_AMBIENT = 47;
export const PR_CAP_AMBIENT_RAISE = 2;
export const PR_CAP_AMBIENT_CLEAR_ALL = 4;

export function prctl(option: number, a = 0, b = 0, c = 0, d = 0): number {
  return check(native.prctl(option, a, b, c, d), "prctl");
}

/**
 * KEYCTL_JOIN_SESSION_KEYRING: makes the keyring of that name, created if missing, this process's session keyring.
 * Returns its number.
 */
export function joinSessionKeyring(name: string): number {
  return check(native.keyctl(1, name), "keyctl");
}

/** KEYCTL_SETPERM, with a set of `KEY_*` bits. */
export function setKeyPermissions(key: number, permissions: number): void {
  check(native.keyctl_numbers(5, key, permissions), "keyctl");
}

export interface ResourceLimit {
  readonly soft: bigint;
  readonly hard: bigint;
}

export const RLIMIT_NOFILE = 7;

/** Returns the previous limit, and sets it if `limit` is given. `pid` 0 is this process. */
export function prlimit(pid: number, resource: number, limit?: ResourceLimit): ResourceLimit {
  const before = new Uint8Array(16);
  const wanted = limit === undefined ? null : encodeLimit(limit);
  check(native.prlimit64(pid, resource, wanted, before), "prlimit");
  const view = new DataView(before.buffer);
  return { soft: view.getBigUint64(0, true), hard: view.getBigUint64(8, true) };
}

/** struct rlimit64: u64 soft, u64 hard. */
function encodeLimit(limit: ResourceLimit): Uint8Array {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, limit.soft, true);
  view.setBigUint64(8, limit.hard, true);
  return bytes;
}

/** Sets the execution domain of this process. */
export function personality(persona: number): void {
  check(native.personality(persona), "personality");
}

export function setpriority(which: number, who: number, priority: number): void {
  check(native.setpriority(which, who, priority), "setpriority");
}

export function processArguments(): string[] {
  return native.processArguments();
}

/** `NAME=value`. */
export function processEnvironment(): string[] {
  return native.processEnvironment();
}
