/** Opening, reading and writing files. Functions have the names of the system calls and throw SystemErrors. */
import * as native from "kumite:native";
import { check, EAGAIN, EINTR, type Path } from "./check.ts";
import { AT_FDCWD } from "./open-flags.ts";

export function open(path: Path, flags: number, mode = 0): number {
  return openat(AT_FDCWD, path, flags, mode);
}

/** Returns the descriptor, or a negated errno: for files that are often missing, since an exception costs far more. */
export function tryOpen(path: Path, flags: number): number {
  return native.openat(AT_FDCWD, path, flags, 0);
}

export function openat(directory: number, path: Path, flags: number, mode = 0): number {
  return check(native.openat(directory, path, flags, mode), "open", path);
}

export interface OpenHow {
  readonly flags: number;
  /** Only with O_CREAT. */
  readonly mode?: number;
  /** RESOLVE_* bits. */
  readonly resolve: number;
}

/** struct open_how: u64 flags, u64 mode, u64 resolve. */
export function encodeOpenHow(how: OpenHow): Uint8Array {
  const bytes = new Uint8Array(24);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(how.flags), true);
  view.setBigUint64(8, BigInt(how.mode ?? 0), true);
  view.setBigUint64(16, BigInt(how.resolve), true);
  return bytes;
}

/** Retries when a rename or mount elsewhere has disturbed the resolution (EAGAIN), as the manual page recommends. */
export function openat2(directory: number, path: Path, how: OpenHow): number {
  const encoded = encodeOpenHow(how);
  let result = EAGAIN;
  for (let attempt = 0; result === EAGAIN && attempt < 128; attempt++)
    result = native.openat2(directory, path, encoded);
  return check(result, "openat2", path);
}

export function close(fd: number): void {
  const result = native.close(fd);
  // The descriptor is closed even if the kernel returns EINTR.
  if (result !== EINTR) check(result, "close");
}

/** For clean-up: does not fail if the descriptor is closed already. */
export function closeQuietly(fd: number): void {
  native.close(fd);
}

/** Returns the number of bytes read, 0 at the end. */
export function read(fd: number, buffer: Uint8Array, offset = 0, length = buffer.length - offset): number {
  return check(native.read(fd, buffer, offset, length), "read");
}

/** Returns the number of bytes written. */
export function write(fd: number, buffer: Uint8Array, offset = 0, length = buffer.length - offset): number {
  return check(native.write(fd, buffer, offset, length), "write");
}

/** Writes everything; for files, and for other descriptors on which writes do not block. */
export function writeAll(fd: number, bytes: Uint8Array, subject?: Path): void {
  for (let done = 0; done < bytes.length; )
    done += check(native.write(fd, bytes, done, bytes.length - done), "write", subject);
}

/** Copies up to `length` bytes between the current positions of two files, in the kernel. Returns 0 at the end. */
export function sendfile(to: number, from: number, length = 1 << 30): number {
  return check(native.sendfile(to, from, null, length), "sendfile");
}

export const SEEK_SET = 0;

export function lseek(fd: number, offset: number, whence: number): number {
  return check(native.lseek(fd, offset, whence), "lseek");
}

export function ftruncate(fd: number, length: number): void {
  check(native.ftruncate(fd, length), "ftruncate");
}

export function fsync(fd: number, subject?: Path): void {
  check(native.fsync(fd), "fsync", subject);
}

export const LOCK_EX = 2;
export const LOCK_NB = 4;

export function flock(fd: number, operation: number, subject?: Path): void {
  check(native.flock(fd, operation), "flock", subject);
}

export function pipe2(flags: number): { readonly read: number; readonly write: number } {
  const pair = new Uint8Array(8);
  check(native.pipe2(pair, flags), "pipe2");
  const view = new DataView(pair.buffer);
  return { read: view.getInt32(0, true), write: view.getInt32(4, true) };
}

/** Returns the lowest free number, not close-on-exec. */
export function dup(fd: number): number {
  return check(native.dup(fd), "dup", `descriptor ${fd}`);
}

export function dup3(from: number, to: number, flags: number): number {
  return check(native.dup3(from, to, flags), "dup3", `descriptor ${from}`);
}

const F_GETFD = 1;
const F_SETFD = 2;
const F_GETFL = 3;
const F_SETFL = 4;
const F_DUPFD_CLOEXEC = 1030;
const FD_CLOEXEC = 1;

/** Returns a close-on-exec duplicate with a number of at least `lowest`. */
export function dupAbove(fd: number, lowest: number): number {
  return check(native.fcntl(fd, F_DUPFD_CLOEXEC, lowest), "dup", `descriptor ${fd}`);
}

export function setCloseOnExec(fd: number, on: boolean): void {
  const flags = check(native.fcntl(fd, F_GETFD, 0), "fcntl", `descriptor ${fd}`);
  check(native.fcntl(fd, F_SETFD, on ? flags | FD_CLOEXEC : flags & ~FD_CLOEXEC), "fcntl", `descriptor ${fd}`);
}

/** Status flags of the open file description: access mode, O_NONBLOCK, O_APPEND. */
export function statusFlags(fd: number): number {
  return check(native.fcntl(fd, F_GETFL, 0), "fcntl", `descriptor ${fd}`);
}

/**
 * Only for descriptors that are not inherited: the flags belong to the open file description, which others may share.
 */
export function setStatusFlags(fd: number, flags: number): void {
  check(native.fcntl(fd, F_SETFL, flags), "fcntl", `descriptor ${fd}`);
}

/** Flag of close_range(2): set close-on-exec instead of closing. */
export const CLOSE_RANGE_CLOEXEC = 4;
export const HIGHEST_DESCRIPTOR = 0x7fffffff;

export function close_range(first: number, last: number, flags = 0): void {
  check(native.close_range(first, last, flags), "close_range");
}

export const MFD_CLOEXEC = 1;

export function memfd_create(name: string, flags: number): number {
  return check(native.memfd_create(name, flags), "memfd_create", name);
}
