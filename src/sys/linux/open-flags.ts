/** Flags of openat(2), openat2(2) and other calls that take a directory descriptor. */
export { O_DIRECT, O_DIRECTORY, O_NOFOLLOW } from "kumite:native";

export const O_RDONLY = 0;
export const O_WRONLY = 1;
export const O_RDWR = 2;
export const O_ACCMODE = 3;
export const O_CREAT = 0o100;
export const O_EXCL = 0o200;
export const O_NOCTTY = 0o400;
export const O_TRUNC = 0o1000;
export const O_APPEND = 0o2000;
export const O_NONBLOCK = 0o4000;
export const O_CLOEXEC = 0o2000000;
export const O_PATH = 0o10000000;

/** The current directory, in place of a directory descriptor. */
export const AT_FDCWD = -100;
export const AT_SYMLINK_NOFOLLOW = 0x100;
export const AT_REMOVEDIR = 0x200;
export const AT_EMPTY_PATH = 0x1000;
export const AT_RECURSIVE = 0x8000;

/** Refuses magic links such as those in /proc/self/fd, which may lead anywhere. */
export const RESOLVE_NO_MAGICLINKS = 0x02;
export const RESOLVE_NO_SYMLINKS = 0x04;
/** Leaving the directory is an error. */
export const RESOLVE_BENEATH = 0x08;
/** The directory is treated as `/`. */
export const RESOLVE_IN_ROOT = 0x10;
