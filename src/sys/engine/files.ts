/** `Files` of the engine. The calls are synchronous, since local file systems answer in microseconds. */
import { isSystemError, SystemError } from "../../util/errors.ts";
import { encodeUtf8 } from "../../util/text.ts";
import {
  chmod,
  chown,
  mkdir,
  readdir,
  readlink,
  realpath,
  rename,
  rmdir,
  symlink,
  unlink,
} from "../linux/directory.ts";
import { closeQuietly, ftruncate, open, writeAll } from "../linux/file.ts";
import {
  AT_SYMLINK_NOFOLLOW,
  O_APPEND,
  O_CLOEXEC,
  O_CREAT,
  O_EXCL,
  O_NOCTTY,
  O_NONBLOCK,
  O_TRUNC,
  O_WRONLY,
} from "../linux/open-flags.ts";
import {
  isDirectory,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFMT,
  S_IFSOCK,
  type Status,
  statIfExists,
} from "../linux/stat.ts";
import { readFileBytes, readFileStart, readFileText } from "../linux/whole-file.ts";
import type { FileStatus, Files, WriteOptions } from "../os.ts";
import { lockFile } from "./lock-file.ts";
import { removeTree } from "./remove-tree.ts";
import { replaceFile } from "./replace-file.ts";

const defaultLimit = 16 << 20;

export const engineFiles: Files = {
  readBytes: async (path, limit = defaultLimit) => readFileBytes(path, limit),
  readStart: async (path, length) => readFileStart(path, length),
  sha512: (path) => Promise.reject(new SystemError("ENOSYS", "sha512", path)),
  capacityBytes: (path) => Promise.reject(new SystemError("ENOSYS", "statfs", path)),
  readText: async (path, limit = defaultLimit) => readFileText(path, limit),
  write: async (path, data, options) => write(path, data, options),
  resize: async (path, length) => resize(path, length),
  replace: async (path, data, mode = 0o600) => replaceFile(path, bytesOf(data), mode),
  makeDir: async (path, mode) => makeDir(path, mode),
  makeDirs: async (path, mode) => makeDirs(path, mode),
  removeFile: async (path) => unlink(path),
  removeDir: async (path) => rmdir(path),
  removeTree,
  list: async (path) => readdir(path).map((entry) => entry.name),
  status: async (path) => fileStatus(statIfExists(path)),
  linkStatus: async (path) => fileStatus(statIfExists(path, AT_SYMLINK_NOFOLLOW)),
  rename: async (from, to) => rename(from, to),
  symlink: async (target, path) => symlink(target, path),
  readLink: async (path) => readlink(path),
  realPath: async (path) => realpath(path),
  changeMode: async (path, mode) => chmod(path, mode),
  changeOwner: async (path, uid, gid) => chown(path, uid, gid),
  lock: lockFile,
};

function bytesOf(data: string | Uint8Array): Uint8Array {
  return typeof data === "string" ? encodeUtf8(data) : data;
}

function write(path: string, data: string | Uint8Array, options: WriteOptions = {}): void {
  const how = (options.append === true ? O_APPEND : O_TRUNC) | (options.exclusive === true ? O_EXCL : 0);
  // Nonblocking: opening a FIFO without a reader fails with ENXIO instead of blocking.
  const flags = O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | how;
  const fd = open(path, flags, options.mode ?? 0o600);
  try {
    writeAll(fd, bytesOf(data), path);
  } finally {
    closeQuietly(fd);
  }
}

function resize(path: string, length: number): void {
  const fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  try {
    ftruncate(fd, length);
  } finally {
    closeQuietly(fd);
  }
}

/** Creates the directory with exactly this mode, whatever the umask is. */
function makeDir(path: string, mode: number): void {
  mkdir(path, mode);
  chmod(path, mode);
}

/**
 * Tries from the top, although most of the path usually exists: a failing mkdir for each component costs less than
 * finding out where to begin.
 */
function makeDirs(path: string, mode: number): void {
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  let made = path.startsWith("/") ? "" : ".";
  for (const part of parts) {
    made += `/${part}`;
    try {
      makeDir(made, mode);
    } catch (error) {
      // A read-only or inaccessible parent is no failure if the directory exists already.
      const status = isSystemError(error, "EEXIST", "EROFS", "EACCES", "EPERM") ? statIfExists(made) : undefined;
      if (status === undefined) throw error;
      if (!isDirectory(status)) throw new SystemError("ENOTDIR", "mkdir", made);
    }
  }
}

function fileStatus(status: Status | undefined): FileStatus | undefined {
  if (status === undefined) return undefined;
  const { mode, mountId: _id, mountRoot: _root, links: _links, ...rest } = status;
  return { ...rest, kind: kindOf(mode), mode: mode & 0o7777 };
}

function kindOf(mode: number): FileStatus["kind"] {
  switch (mode & S_IFMT) {
    case S_IFDIR:
      return "directory";
    case S_IFLNK:
      return "symlink";
    case S_IFIFO:
      return "fifo";
    case S_IFSOCK:
      return "socket";
    case S_IFCHR:
      return "character";
    case S_IFBLK:
      return "block";
    default:
      return "file";
  }
}
