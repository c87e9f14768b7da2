/**
 * Copies the content of a directory into another one: files, directories, symlinks and nodes, with their owners and
 * modes. Follows no symlink and leaves neither tree, since the content comes from an untrusted source.
 */
import {
  chown,
  type DirectoryEntry,
  fchmod,
  fchown,
  mkdir,
  mknod,
  openDirectory,
  readEntries,
  readlink,
  symlink,
} from "../../sys/linux/directory.ts";
import { closeQuietly, openat, sendfile } from "../../sys/linux/file.ts";
import {
  AT_SYMLINK_NOFOLLOW,
  O_CLOEXEC,
  O_CREAT,
  O_EXCL,
  O_NOFOLLOW,
  O_NONBLOCK,
  O_RDONLY,
  O_WRONLY,
} from "../../sys/linux/open-flags.ts";
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG, type Status, statx } from "../../sys/linux/stat.ts";
import { SystemError } from "../../util/errors.ts";

/** Far deeper than any intended content; each level takes two descriptors. */
const maxDepth = 100;

/** @param from, to directories; O_PATH descriptors suffice. `to` has no entries of the same names. */
export function copyTree(from: number, to: number): void {
  const source = openDirectory(".", from);
  try {
    copyEntries(source, to, 0);
  } finally {
    closeQuietly(source);
  }
}

function copyEntries(from: number, to: number, depth: number): void {
  for (const entry of readEntries(from)) copyEntry(from, to, entry, depth);
}

function copyEntry(from: number, to: number, entry: DirectoryEntry, depth: number): void {
  const status = statx(from, entry.path, AT_SYMLINK_NOFOLLOW);
  const type = status.mode & S_IFMT;
  if (type === S_IFDIR) copyDirectory(from, to, entry, status, depth);
  else if (type === S_IFREG) copyFile(from, to, entry, status);
  else copyNode(from, to, entry, status);
}

/** Symlinks, devices, FIFOs and sockets, which have no content. */
function copyNode(from: number, to: number, { path }: DirectoryEntry, { mode, deviceNumber, uid, gid }: Status): void {
  if ((mode & S_IFMT) === S_IFLNK) symlink(readlink(path, from), path, to);
  else mknod(path, mode, deviceNumber, to);
  chown(path, uid, gid, AT_SYMLINK_NOFOLLOW, to);
}

function copyDirectory(from: number, to: number, entry: DirectoryEntry, status: Status, depth: number): void {
  const { name, path } = entry;
  if (depth === maxDepth) throw new SystemError("ENAMETOOLONG", "copy", name);
  mkdir(path, 0o700, to);
  const source = openDirectory(path, from, true);
  try {
    const copy = openDirectory(path, to, true);
    try {
      copyEntries(source, copy, depth + 1);
      own(copy, status);
    } finally {
      closeQuietly(copy);
    }
  } finally {
    closeQuietly(source);
  }
}

function copyFile(from: number, to: number, { path }: DirectoryEntry, status: Status): void {
  // The file may have been replaced by a FIFO meanwhile.
  const source = openat(from, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  try {
    const copy = openat(to, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600);
    try {
      while (sendfile(copy, source) > 0);
      own(copy, status);
    } finally {
      closeQuietly(copy);
    }
  } finally {
    closeQuietly(source);
  }
}

/** Sets the owner first, since changing it clears the set-user-id bits. */
function own(fd: number, { uid, gid, mode }: Status): void {
  fchown(fd, uid, gid);
  fchmod(fd, mode & 0o7777);
}
