/** Signals: sending, blocking, and reading them from a descriptor. */
import * as native from "kumite:native";
import { check, EAGAIN, EINTR, ESRCH } from "./check.ts";

export const SIGHUP = 1;
export const SIGINT = 2;
export const SIGQUIT = 3;
export const SIGABRT = 6;
export const SIGKILL = 9;
export const SIGUSR1 = 10;
export const SIGUSR2 = 12;
export const SIGPIPE = 13;
export const SIGTERM = 15;
export const SIGCHLD = 17;
export const SIGCONT = 18;
export const SIGSTOP = 19;
export const SIGTSTP = 20;
export const SIGWINCH = 28;
/** The highest signal number. */
export const SIGRTMAX = 64;

const SIG_BLOCK = 0;
const SFD_NONBLOCK = 0o4000;
const SFD_CLOEXEC = 0o2000000;
const SIGNALFD_INFO_SIZE = 128;

/** The kernel's sigset_t: bit n-1 for signal n. */
export function encodeSignalSet(signals: Iterable<number>): Uint8Array {
  const set = new Uint8Array(8);
  for (const signal of signals) {
    if (!Number.isInteger(signal) || signal < 1 || signal > SIGRTMAX) throw new RangeError(`no signal ${signal}`);
    const byte = (signal - 1) >> 3;
    set[byte] = (set[byte] ?? 0) | (1 << ((signal - 1) & 7));
  }
  return set;
}

/** Adds to the blocked signals of this process. A blocked signal stays pending until signalfd reads it. */
export function blockSignals(signals: Iterable<number>): void {
  check(native.rt_sigprocmask(SIG_BLOCK, encodeSignalSet(signals), null), "sigprocmask");
}

const TIMESPEC_SIZE = 16;

/** Waits for one of these blocked signals and consumes it; returns false when none came within `ms`. */
export function awaitSignal(signals: Iterable<number>, ms: number): boolean {
  const limit = new Uint8Array(TIMESPEC_SIZE);
  const view = new DataView(limit.buffer);
  const seconds = Math.floor(ms / 1000);
  view.setBigInt64(0, BigInt(seconds), true);
  view.setBigInt64(8, BigInt(Math.floor((ms - seconds * 1000) * 1e6)), true);
  const result = native.rt_sigtimedwait(encodeSignalSet(signals), null, limit);
  if (result === EAGAIN || result === EINTR) return false;
  check(result, "sigtimedwait");
  return true;
}

/** Resets all signals to their defaults and unblocks them, as a new program expects. */
export function resetSignals(): void {
  native.resetSignals();
}

/** Returns a new nonblocking descriptor if `fd` is -1, else replaces the set of that descriptor. */
export function signalfd(fd: number, signals: Iterable<number>): number {
  return check(native.signalfd4(fd, encodeSignalSet(signals), SFD_NONBLOCK | SFD_CLOEXEC), "signalfd");
}

/** The kernel itself sent the signal, for example for ^C on a terminal (siginfo si_code). */
export const SI_KERNEL = 0x80;

export interface SignalInfo {
  readonly signal: number;
  /** si_code of sigaction(2). */
  readonly code: number;
  readonly pid: number;
  readonly uid: number;
}

/** struct signalfd_siginfo: u32 signal, i32 errno, i32 code, u32 pid, u32 uid, … */
function decodeSignalInfo(view: DataView, offset: number): SignalInfo {
  return {
    signal: view.getUint32(offset, true),
    code: view.getInt32(offset + 8, true),
    pid: view.getUint32(offset + 12, true),
    uid: view.getUint32(offset + 16, true),
  };
}

/** The signals that a signalfd has received, at most 16; empty if none. */
export function readSignals(fd: number): SignalInfo[] {
  const buffer = new Uint8Array(16 * SIGNALFD_INFO_SIZE);
  const count = native.read(fd, buffer, 0, buffer.length);
  if (count === EAGAIN) return [];
  check(count, "read", "signalfd");
  const view = new DataView(buffer.buffer);
  return Array.from({ length: count / SIGNALFD_INFO_SIZE }, (_, i) => decodeSignalInfo(view, i * SIGNALFD_INFO_SIZE));
}

export function kill(pid: number, signal: number): void {
  check(native.kill(pid, signal), "kill", String(pid));
}

/** Returns false when there is no such process. */
export function killIfExists(pid: number, signal: number): boolean {
  const result = native.kill(pid, signal);
  if (result === ESRCH) return false;
  check(result, "kill", String(pid));
  return true;
}

/** A descriptor for that process, readable when the process has ended; `undefined` when there is no such process. */
export function pidfd_open(pid: number): number | undefined {
  const result = native.pidfd_open(pid, 0);
  return result === ESRCH ? undefined : check(result, "pidfd_open", String(pid));
}

/** Returns false when the process has ended. */
export function pidfd_send_signal(pidfd: number, signal: number): boolean {
  const result = native.pidfd_send_signal(pidfd, signal, 0);
  if (result === ESRCH) return false;
  check(result, "pidfd_send_signal");
  return true;
}
