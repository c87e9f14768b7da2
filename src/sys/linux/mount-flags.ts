/** The words of mount options (mount(8), OCI), and their flags in the kernel's two interfaces. */

export const MS_RDONLY = 0x1;
export const MS_NOSUID = 0x2;
export const MS_NODEV = 0x4;
export const MS_NOEXEC = 0x8;
export const MS_SYNCHRONOUS = 0x10;
export const MS_REMOUNT = 0x20;
export const MS_MANDLOCK = 0x40;
export const MS_DIRSYNC = 0x80;
export const MS_NOSYMFOLLOW = 0x100;
export const MS_NOATIME = 0x400;
export const MS_NODIRATIME = 0x800;
export const MS_BIND = 0x1000;
export const MS_MOVE = 0x2000;
export const MS_REC = 0x4000;
export const MS_SILENT = 0x8000;
export const MS_UNBINDABLE = 0x20000;
export const MS_PRIVATE = 0x40000;
export const MS_SLAVE = 0x80000;
export const MS_SHARED = 0x100000;
export const MS_RELATIME = 0x200000;
export const MS_STRICTATIME = 0x1000000;
export const MS_LAZYTIME = 0x2000000;

const MOUNT_ATTR_RDONLY = 0x1;
const MOUNT_ATTR_NOSUID = 0x2;
const MOUNT_ATTR_NODEV = 0x4;
const MOUNT_ATTR_NOEXEC = 0x8;
const MOUNT_ATTR__ATIME = 0x70;
const MOUNT_ATTR_NOATIME = 0x10;
const MOUNT_ATTR_STRICTATIME = 0x20;
const MOUNT_ATTR_NODIRATIME = 0x80;
const MOUNT_ATTR_NOSYMFOLLOW = 0x200000;

/** How a word changes the flags: `clear` is applied first, then `set`. */
interface Word {
  readonly set: number;
  readonly clear: number;
}

const on = (set: number): Word => ({ set, clear: 0 });
const off = (clear: number): Word => ({ set: 0, clear });

const words: Readonly<Record<string, Word>> = {
  bind: on(MS_BIND),
  rbind: on(MS_BIND | MS_REC),
  rec: on(MS_REC),
  remount: on(MS_REMOUNT),
  move: on(MS_MOVE),
  ro: on(MS_RDONLY),
  rw: off(MS_RDONLY),
  nosuid: on(MS_NOSUID),
  suid: off(MS_NOSUID),
  nodev: on(MS_NODEV),
  dev: off(MS_NODEV),
  noexec: on(MS_NOEXEC),
  exec: off(MS_NOEXEC),
  sync: on(MS_SYNCHRONOUS),
  async: off(MS_SYNCHRONOUS),
  dirsync: on(MS_DIRSYNC),
  mand: on(MS_MANDLOCK),
  nomand: off(MS_MANDLOCK),
  noatime: on(MS_NOATIME),
  atime: off(MS_NOATIME),
  nodiratime: on(MS_NODIRATIME),
  diratime: off(MS_NODIRATIME),
  relatime: on(MS_RELATIME),
  norelatime: off(MS_RELATIME),
  strictatime: on(MS_STRICTATIME),
  nostrictatime: off(MS_STRICTATIME),
  lazytime: on(MS_LAZYTIME),
  nosymfollow: on(MS_NOSYMFOLLOW),
  symfollow: off(MS_NOSYMFOLLOW),
  silent: on(MS_SILENT),
  loud: off(MS_SILENT),
  defaults: on(0),
};

const propagations: Readonly<Record<string, number>> = {
  private: MS_PRIVATE,
  rprivate: MS_PRIVATE | MS_REC,
  slave: MS_SLAVE,
  rslave: MS_SLAVE | MS_REC,
  shared: MS_SHARED,
  rshared: MS_SHARED | MS_REC,
  unbindable: MS_UNBINDABLE,
  runbindable: MS_UNBINDABLE | MS_REC,
};

export interface MountOptions {
  /** MS_* bits, without propagation. */
  readonly flags: number;
  /** Bits that a word has cleared explicitly: a remount treats them differently from bits that no word names. */
  readonly cleared: number;
  /** MS_* bit of the last propagation word, possibly with MS_REC; 0 without one. */
  readonly propagation: number;
  /** Words that the kernel does not know, in their order: file system data such as `size=64m`, or unknown ones. */
  readonly rest: readonly string[];
}

/** A later word overrides an earlier one. `rec` applies to the bind, or to the propagation if there is no bind. */
export function parseMountOptions(options: readonly string[]): MountOptions {
  let flags = 0;
  let cleared = 0;
  let propagation = 0;
  const rest: string[] = [];
  for (const option of options) {
    const word = Object.hasOwn(words, option) ? words[option] : undefined;
    const spread = Object.hasOwn(propagations, option) ? propagations[option] : undefined;
    if (word !== undefined) {
      flags = (flags & ~word.clear) | word.set;
      cleared = (cleared & ~word.set) | word.clear;
    } else if (spread !== undefined) propagation = spread;
    else rest.push(option);
  }
  if (propagation !== 0 && (flags & MS_REC) !== 0 && (flags & MS_BIND) === 0) propagation |= MS_REC;
  return { flags, cleared, propagation, rest };
}

/** The bits to set and to clear for mount_setattr(2). Flags that it lacks belong to a file system, not to a mount. */
export function attributesOf(options: Pick<MountOptions, "flags" | "cleared">): { set: number; clear: number } {
  const pairs: readonly (readonly [number, number])[] = [
    [MS_RDONLY, MOUNT_ATTR_RDONLY],
    [MS_NOSUID, MOUNT_ATTR_NOSUID],
    [MS_NODEV, MOUNT_ATTR_NODEV],
    [MS_NOEXEC, MOUNT_ATTR_NOEXEC],
    [MS_NODIRATIME, MOUNT_ATTR_NODIRATIME],
    [MS_NOSYMFOLLOW, MOUNT_ATTR_NOSYMFOLLOW],
  ];
  let set = 0;
  let clear = 0;
  for (const [flag, attribute] of pairs) {
    if ((options.flags & flag) !== 0) set |= attribute;
    if ((options.cleared & flag) !== 0) clear |= attribute;
  }
  if ((options.flags & (MS_NOATIME | MS_STRICTATIME | MS_RELATIME)) !== 0) {
    clear |= MOUNT_ATTR__ATIME;
    if ((options.flags & MS_NOATIME) !== 0) set |= MOUNT_ATTR_NOATIME;
    else if ((options.flags & MS_STRICTATIME) !== 0) set |= MOUNT_ATTR_STRICTATIME;
  }
  return { set, clear };
}
