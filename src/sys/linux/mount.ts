/** mount(2) and its successors. Option words are parsed in mount-flags.ts. */
import * as native from "kumite:native";
import { check, ENOENT, type Path } from "./check.ts";
import { AT_EMPTY_PATH, AT_FDCWD, AT_RECURSIVE } from "./open-flags.ts";

export const MNT_DETACH = 2;
export const UMOUNT_NOFOLLOW = 8;

export const OPEN_TREE_CLONE = 1;
export const OPEN_TREE_CLOEXEC = 0o2000000;
const MOVE_MOUNT_F_EMPTY_PATH = 0x04;
const MOVE_MOUNT_T_SYMLINKS = 0x10;
const MOVE_MOUNT_T_EMPTY_PATH = 0x40;

/** `flags`: MS_* bits of mount-flags.ts. */
export function mount(
  source: Path | null,
  target: Path,
  type: string | null,
  flags: number,
  data: string | null,
): void {
  check(native.mount(source, target, type, flags, data), "mount", target);
}

/** Like `mount`, but returns `ENOENT` if the target does not exist, else 0. */
export function tryMount(source: Path, target: Path, type: string, flags: number, data: string): number {
  const result = native.mount(source, target, type, flags, data);
  return result === ENOENT ? result : check(result, "mount", target);
}

export function umount2(target: Path, flags: number): void {
  check(native.umount2(target, flags), "umount", target);
}

export function pivot_root(root: Path, old: Path): void {
  check(native.pivot_root(root, old), "pivot_root", root);
}

/**
 * A descriptor of a detached copy of the mount at `path`, which disappears when the descriptor is closed unless it is
 * attached.
 */
export function cloneMount(path: Path, recursive: boolean): number {
  const flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (recursive ? AT_RECURSIVE : 0);
  return check(native.open_tree(AT_FDCWD, path, flags), "open_tree", path);
}

/** Attaches a detached mount. The target is a path, or an O_PATH descriptor, which nobody can exchange meanwhile. */
export function attachMount(detached: number, target: Path | number): void {
  const onto = typeof target === "number" ? target : AT_FDCWD;
  const path = typeof target === "number" ? "" : target;
  const flags = typeof target === "number" ? MOVE_MOUNT_T_EMPTY_PATH : MOVE_MOUNT_T_SYMLINKS;
  const result = native.move_mount(detached, "", onto, path, MOVE_MOUNT_F_EMPTY_PATH | flags);
  check(result, "move_mount", typeof target === "number" ? undefined : target);
}

export interface MountAttributes {
  /** MOUNT_ATTR_* bits to set. */
  readonly set: number;
  /** MOUNT_ATTR_* bits to clear; includes MOUNT_ATTR__ATIME when `set` changes access times. */
  readonly clear: number;
  /** One of MS_PRIVATE, MS_SLAVE, MS_SHARED, MS_UNBINDABLE, or 0. */
  readonly propagation: number;
}

/** struct mount_attr: u64 set, u64 clear, u64 propagation, u64 user namespace descriptor. */
export function encodeMountAttributes(attributes: MountAttributes): Uint8Array {
  const bytes = new Uint8Array(32);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(attributes.set), true);
  view.setBigUint64(8, BigInt(attributes.clear), true);
  view.setBigUint64(16, BigInt(attributes.propagation), true);
  return bytes;
}

/** Changes the mount at a path or of a descriptor. */
export function mount_setattr(mount: Path | number, attributes: MountAttributes, recursive: boolean): void {
  const directory = typeof mount === "number" ? mount : AT_FDCWD;
  const path = typeof mount === "number" ? "" : mount;
  const flags = (typeof mount === "number" ? AT_EMPTY_PATH : 0) | (recursive ? AT_RECURSIVE : 0);
  const result = native.mount_setattr(directory, path, flags, encodeMountAttributes(attributes));
  check(result, "mount_setattr", typeof mount === "number" ? undefined : mount);
}

/** File system types of statfs(2). */
export const PROC_SUPER_MAGIC = 0x9fa0;
export const RAMFS_MAGIC = 0x858458f6;
export const TMPFS_MAGIC = 0x01021994;

export function fileSystemType(path: Path): number {
  const bytes = new Uint8Array(statfsBytes);
  check(native.statfs(path, bytes), "statfs", path);
  return typeIn(bytes);
}

export function fileSystemTypeOf(fd: number): number {
  const bytes = new Uint8Array(statfsBytes);
  check(native.fstatfs(fd, bytes), "statfs", `descriptor ${fd}`);
  return typeIn(bytes);
}

const statfsBytes = 120;

/** struct statfs has the type at offset 0. */
function typeIn(bytes: Uint8Array): number {
  return Number(new DataView(bytes.buffer).getBigUint64(0, true) & 0xffffffffn);
}
