/** statx(2): the status of files, with one layout on every architecture. */
import { statx as nativeStatx } from "kumite:native";
import { check, ENOENT, failure, type Path } from "./check.ts";
import { makedev } from "./device.ts";
import { AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW } from "./open-flags.ts";

export const S_IFMT = 0o170000;
export const S_IFSOCK = 0o140000;
export const S_IFLNK = 0o120000;
export const S_IFREG = 0o100000;
export const S_IFBLK = 0o060000;
export const S_IFDIR = 0o040000;
export const S_IFCHR = 0o020000;
export const S_IFIFO = 0o010000;

const STATX_BASIC_STATS = 0x7ff;
const STATX_MNT_ID = 0x1000;
const AT_NO_AUTOMOUNT = 0x800;
const STATX_ATTR_MOUNT_ROOT = 0x2000n;
const ENOTDIR = -20;

export interface Status {
  /** Type (S_IFMT) and permission bits. */
  readonly mode: number;
  readonly links: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly inode: bigint;
  /** Device number of the file system. */
  readonly device: bigint;
  /** Device number of a device node, else 0. */
  readonly deviceNumber: bigint;
  readonly modifiedMs: number;
  readonly changedMs: number;
  readonly allocatedBytes: number;
  readonly mountId: bigint;
  /** Whether this is the root of a mount. */
  readonly mountRoot: boolean;
}

const scratch = new Uint8Array(256);
const view = new DataView(scratch.buffer);

/** Unit of `stx_blocks`, whatever the block size of the file system. */
const blockBytes = 512;

/** struct statx_timestamp. */
function timeAt(from: DataView, offset: number): number {
  return Number(from.getBigInt64(offset, true)) * 1000 + from.getUint32(offset + 8, true) / 1e6;
}

/** struct statx. */
function decodeStatx(from: DataView): Status {
  return {
    mode: from.getUint16(28, true),
    links: from.getUint32(16, true),
    uid: from.getUint32(20, true),
    gid: from.getUint32(24, true),
    size: Number(from.getBigUint64(40, true)),
    inode: from.getBigUint64(32, true),
    device: makedev(from.getUint32(136, true), from.getUint32(140, true)),
    deviceNumber: makedev(from.getUint32(128, true), from.getUint32(132, true)),
    modifiedMs: timeAt(from, 112),
    changedMs: timeAt(from, 96),
    allocatedBytes: Number(from.getBigUint64(48, true)) * blockBytes,
    mountId: from.getBigUint64(144, true),
    mountRoot: (from.getBigUint64(8, true) & STATX_ATTR_MOUNT_ROOT) !== 0n,
  };
}

function call(directory: number, path: Path, flags: number): number {
  return nativeStatx(directory, path, flags | AT_NO_AUTOMOUNT, STATX_BASIC_STATS | STATX_MNT_ID, scratch);
}

/** Follows symlinks unless `flags` has AT_SYMLINK_NOFOLLOW. */
export function statx(directory: number, path: Path, flags = 0): Status {
  check(call(directory, path, flags), "stat", path);
  return decodeStatx(view);
}

export function stat(path: Path): Status {
  return statx(AT_FDCWD, path);
}

export function lstat(path: Path): Status {
  return statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW);
}

export function fstat(fd: number): Status {
  check(call(fd, "", AT_EMPTY_PATH), "stat", `descriptor ${fd}`);
  return decodeStatx(view);
}

/** S_IF* type of a descriptor's file; twenty times cheaper than its whole status. */
export function fileType(fd: number): number {
  check(call(fd, "", AT_EMPTY_PATH), "stat", `descriptor ${fd}`);
  return view.getUint16(28, true) & S_IFMT;
}

/** `undefined` when nothing exists under that name. */
export function statIfExists(path: Path, flags = 0, directory = AT_FDCWD): Status | undefined {
  const result = call(directory, path, flags);
  if (result === ENOENT || result === ENOTDIR) return undefined;
  if (result < 0) throw failure(result, "stat", path);
  return decodeStatx(view);
}

export function isDirectory(status: Status): boolean {
  return (status.mode & S_IFMT) === S_IFDIR;
}
