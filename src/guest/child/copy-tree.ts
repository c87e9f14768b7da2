/**
 * Copies what a directory holds into another one: files, directories, links and nodes with their owners and modes.
 * Follows no link and leaves neither tree; what it reads was filled by somebody else.
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

/** Far deeper than anything that is copied on purpose; each level takes two descriptors. */
const maxDepth = 100;

/** @param from, to directories, O_PATH descriptors will do. `to` has nothing of the same names. */
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

/** What has no content: links, devices, FIFOs and sockets. */
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
  // What was a file a moment ago may be a FIFO by now.
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

/** The owner first: a new one takes the set-user-id bits away. */
function own(fd: number, { uid, gid, mode }: Status): void {
  fchown(fd, uid, gid);
  fchmod(fd, mode & 0o7777);
}
