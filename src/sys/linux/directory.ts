/** Directories and names in them. */
import * as native from "kumite:native";
import { check, EEXIST, ENOENT, failure, type Path } from "./check.ts";
import { closeQuietly, openat } from "./file.ts";
import { AT_FDCWD, AT_REMOVEDIR, O_CLOEXEC, O_DIRECTORY, O_NOFOLLOW, O_PATH, O_RDONLY } from "./open-flags.ts";

export const DT_UNKNOWN = 0;
export const DT_DIR = 4;

export interface DirectoryEntry {
  /** As text, with replacement characters where the name is not UTF-8. */
  readonly name: string;
  /** The exact name, for calls. */
  readonly path: Path;
  /** DT_UNKNOWN if the file system does not report it. */
  readonly type: number;
}

const bufferSize = 32768;

/** Entries of an open directory from its current position, without `.` and `..`. */
export function readEntries(fd: number, subject?: Path): DirectoryEntry[] {
  const buffer = new Uint8Array(bufferSize);
  const entries: DirectoryEntry[] = [];
  for (;;) {
    const count = check(native.getdents64(fd, buffer, 0, buffer.length), "getdents64", subject);
    if (count === 0) return entries;
    decodeEntries(buffer, count, entries);
  }
}

/** struct linux_dirent64: u64 inode, i64 offset, u16 record length, u8 type, name up to a NUL. */
export function decodeEntries(buffer: Uint8Array, count: number, into: DirectoryEntry[]): void {
  const view = new DataView(buffer.buffer, buffer.byteOffset, count);
  for (let at = 0; at + 19 <= count; at += view.getUint16(at + 16, true)) {
    const start = at + 19;
    const end = buffer.indexOf(0, start);
    const text = native.decodeUtf8(buffer, start, end - start, true);
    if (text === "." || text === "..") continue;
    const type = view.getUint8(at + 18);
    if (text !== null) into.push({ name: text, path: text, type });
    else into.push({ name: lossy(buffer, start, end), path: buffer.slice(start, end + 1), type });
  }
}

function lossy(buffer: Uint8Array, start: number, end: number): string {
  return native.decodeUtf8(buffer, start, end - start, false) ?? "";
}

/** Opens a directory for reading its entries; with `nofollow`, fails with ENOTDIR or ELOOP for a symlink. */
export function openDirectory(path: Path, directory = AT_FDCWD, nofollow = false): number {
  return openat(directory, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | (nofollow ? O_NOFOLLOW : 0));
}

export function readdir(path: Path): DirectoryEntry[] {
  const fd = openDirectory(path);
  try {
    return readEntries(fd, path);
  } finally {
    closeQuietly(fd);
  }
}

export function mkdir(path: Path, mode: number, directory = AT_FDCWD): void {
  check(native.mkdirat(directory, path, mode), "mkdir", path);
}

/** Like `mkdirIfMissing`, but returns `undefined` if the parent directory does not exist. */
export function mkdirIfPossible(path: Path, mode: number): boolean | undefined {
  const result = native.mkdirat(AT_FDCWD, path, mode);
  if (result < 0 && result !== EEXIST && result !== ENOENT) throw failure(result, "mkdir", path);
  return result === ENOENT ? undefined : result >= 0;
}

/** Returns false if the name exists already; throwing an error for that would cost more than the call. */
export function mkdirIfMissing(path: Path, mode: number): boolean {
  const result = native.mkdirat(AT_FDCWD, path, mode);
  if (result < 0 && result !== EEXIST) throw failure(result, "mkdir", path);
  return result >= 0;
}

export function mknod(path: Path, mode: number, device: bigint, directory = AT_FDCWD): void {
  check(native.mknodat(directory, path, mode, device), "mknod", path);
}

export function unlink(path: Path, directory = AT_FDCWD): void {
  check(native.unlinkat(directory, path, 0), "unlink", path);
}

/** For clean-up after a failure, which is the one to report. */
export function unlinkQuietly(path: Path): void {
  native.unlinkat(AT_FDCWD, path, 0);
}

export function rmdir(path: Path, directory = AT_FDCWD): void {
  check(native.unlinkat(directory, path, AT_REMOVEDIR), "rmdir", path);
}

/** Returns whether the directory was removed. Does not throw, which would cost more than the call. */
export function rmdirIfPossible(path: Path): boolean {
  return native.unlinkat(AT_FDCWD, path, AT_REMOVEDIR) >= 0;
}

export function rename(from: Path, to: Path, flags = 0): void {
  check(native.renameat2(AT_FDCWD, from, AT_FDCWD, to, flags), "rename", from);
}

export function link(from: Path, to: Path): void {
  check(native.linkat(AT_FDCWD, from, AT_FDCWD, to, 0), "link", to);
}

export function symlink(target: Path, path: Path, directory = AT_FDCWD): void {
  check(native.symlinkat(target, directory, path), "symlink", path);
}

const pathMax = 4096;

export function readlink(path: Path, directory = AT_FDCWD): string {
  const buffer = new Uint8Array(pathMax);
  const count = check(native.readlinkat(directory, path, buffer, 0, buffer.length), "readlink", path);
  return native.decodeUtf8(buffer, 0, count, false) ?? "";
}

/** The current path of an open file. */
export function pathOf(fd: number): string {
  return readlink(`/proc/self/fd/${fd}`);
}

/** Resolves symlinks, `.` and `..`. Needs /proc. */
export function realpath(path: Path): string {
  const fd = openat(AT_FDCWD, path, O_PATH | O_CLOEXEC);
  try {
    return pathOf(fd);
  } finally {
    closeQuietly(fd);
  }
}

export function chmod(path: Path, mode: number, directory = AT_FDCWD): void {
  check(native.fchmodat(directory, path, mode), "chmod", path);
}

export function fchmod(fd: number, mode: number): void {
  check(native.fchmod(fd, mode), "chmod", `descriptor ${fd}`);
}

/** `flags`: AT_SYMLINK_NOFOLLOW for the symlink itself. An id of -1 stays unchanged. */
export function chown(path: Path, uid: number, gid: number, flags = 0, directory = AT_FDCWD): void {
  check(native.fchownat(directory, path, uid, gid, flags), "chown", path);
}

export function fchown(fd: number, uid: number, gid: number): void {
  check(native.fchown(fd, uid, gid), "chown", `descriptor ${fd}`);
}

/** Returns the previous mask. */
export function umask(mask: number): number {
  return native.umask(mask);
}

export function chdir(path: Path): void {
  check(native.chdir(path), "chdir", path);
}

export function fchdir(fd: number): void {
  check(native.fchdir(fd), "fchdir", `descriptor ${fd}`);
}

export function chroot(path: Path): void {
  check(native.chroot(path), "chroot", path);
}

export function getcwd(): string {
  const buffer = new Uint8Array(pathMax);
  const count = check(native.getcwd(buffer, 0, buffer.length), "getcwd");
  return native.decodeUtf8(buffer, 0, count - 1, false) ?? "";
}

export const X_OK = 1;

/** Checks with the real user id; fails with EACCES or ENOENT. */
export function access(path: Path, mode: number, directory = AT_FDCWD): void {
  check(native.faccessat(directory, path, mode), "access", path);
}
