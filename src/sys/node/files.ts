/** `Files` over Node. Only locks go through the helper. */
import { createHash } from "node:crypto";
import { type BigIntStats, close, constants, open, read, statSync } from "node:fs";
import * as fs from "node:fs/promises";
import { promisify } from "node:util";
import { dirName } from "../../util/path.ts";
import { decodeUtf8 } from "../../util/text.ts";
import type { FileStatus, Files, WriteOptions } from "../os.ts";
import type { HelperClient } from "./helper-client.ts";
import { isKernelFile, readKernelFile } from "./kernel-files.ts";
import { removeTree } from "./remove-tree.ts";
import { replaceFile } from "./replace-file.ts";
import { asSystemCall, errnoOf } from "./system-error.ts";
import { WholeFile } from "./whole-file.ts";

const defaultReadLimitBytes = 16 * 1024 * 1024;
const readStepBytes = 64 * 1024;

export function nodeFiles(helper: HelperClient): Files {
  return {
    readBytes,
    readStart,
    readText: async (path, limit) => decodeUtf8(await readBytes(path, limit)),
    sha512,
    capacityBytes,
    write,
    resize: (path, length) => asSystemCall("truncate", path, () => fs.truncate(path, length)),
    replace: replaceFile,
    makeDir: (path, mode) => asSystemCall("mkdir", path, () => makeDir(path, mode)),
    makeDirs: (path, mode) => asSystemCall("mkdir", path, () => makeDirs(path, mode)),
    removeFile: (path) => asSystemCall("unlink", path, () => fs.unlink(path)),
    removeDir: (path) => asSystemCall("rmdir", path, () => fs.rmdir(path)),
    removeTree,
    list: (path) => asSystemCall("readdir", path, () => fs.readdir(path)),
    status: (path) => statusBy("stat", path, () => stat(path)),
    linkStatus: (path) => statusBy("lstat", path, () => fs.lstat(path, { bigint: true })),
    rename: (from, to) => asSystemCall("rename", `${from} to ${to}`, () => fs.rename(from, to)),
    symlink: (target, path) => asSystemCall("symlink", path, () => fs.symlink(target, path)),
    readLink: (path) => asSystemCall("readlink", path, () => fs.readlink(path)),
    realPath: (path) => asSystemCall("realpath", path, () => fs.realpath(path)),
    changeMode: (path, mode) => asSystemCall("chmod", path, () => fs.chmod(path, mode)),
    changeOwner: (path, uid, gid) => asSystemCall("chown", path, () => fs.chown(path, uid, gid)),
    lock: (path, signal) => helper.lock(path, signal),
  };
}

/** Reads to the end instead of by size, since files of proc(5) and sysfs(5) have no size. */
async function readBytes(path: string, limit = defaultReadLimitBytes): Promise<Uint8Array> {
  return await asSystemCall("read", path, async () => {
    if (isKernelFile(path)) return readKernelFile(path, limit);
    // Uses descriptors, because file handles cost three times as much and starting reads dozens of small files.
    // O_NONBLOCK: a FIFO without a writer must not block a thread of Node's pool.
    const file = await openFile(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      return await readToEnd(file, path, limit);
    } finally {
      await closeFile(file);
    }
  });
}

async function readStart(path: string, length: number): Promise<Uint8Array> {
  return await asSystemCall("read", path, async () => {
    const file = await openFile(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const bytes = new Uint8Array(length);
      let filled = 0;
      for (;;) {
        const { bytesRead } = await readFile(file, bytes, filled, length - filled, null);
        filled += bytesRead;
        if (bytesRead === 0 || filled === length) return bytes.subarray(0, filled);
      }
    } finally {
      await closeFile(file);
    }
  });
}

const [openFile, readFile, closeFile] = [promisify(open), promisify(read), promisify(close)];

async function readToEnd(file: number, path: string, limit: number): Promise<Uint8Array> {
  const whole = new WholeFile(path, limit);
  for (;;) {
    const { space } = whole;
    const { bytesRead } = await readFile(file, space, 0, space.length, null);
    if (bytesRead === 0) return whole.bytes();
    whole.add(bytesRead);
  }
}

async function sha512(path: string): Promise<string> {
  return await asSystemCall("read", path, async () => {
    await using file = await fs.open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const hash = createHash("sha512");
    const part = new Uint8Array(readStepBytes);
    for (;;) {
      const { bytesRead } = await file.read(part, 0, part.length, null);
      if (bytesRead === 0) return hash.digest("hex");
      hash.update(part.subarray(0, bytesRead));
    }
  });
}

async function capacityBytes(path: string): Promise<number> {
  const { bsize, blocks } = await asSystemCall("statfs", path, () => fs.statfs(path));
  return bsize * blocks;
}

async function write(path: string, data: string | Uint8Array, options: WriteOptions = {}): Promise<void> {
  const { mode = 0o600, exclusive = false, append = false } = options;
  const flags =
    constants.O_WRONLY |
    constants.O_CREAT |
    (exclusive ? constants.O_EXCL : 0) |
    (append ? constants.O_APPEND : constants.O_TRUNC);
  await asSystemCall("write", path, async () => {
    await using file = await fs.open(path, flags, mode);
    await file.writeFile(data);
  });
}

/** Creates the directory with exactly this mode, whatever the umask is. */
async function makeDir(path: string, mode: number): Promise<void> {
  await fs.mkdir(path, mode);
  await fs.chmod(path, mode);
}

async function makeDirs(path: string, mode: number): Promise<void> {
  try {
    await makeDir(path, mode);
  } catch (error) {
    switch (errnoOf(error)) {
      case "EEXIST":
        if ((await fs.stat(path)).isDirectory()) return;
        throw error;
      case "ENOENT":
        await makeDirs(dirName(path), mode);
        // Another process may create it at the same time.
        await makeDir(path, mode).catch((again: unknown) => {
          if (errnoOf(again) !== "EEXIST") throw again;
        });
        return;
      default:
        throw error;
    }
  }
}

async function stat(path: string): Promise<BigIntStats> {
  return isKernelFile(path) ? statSync(path, { bigint: true }) : fs.stat(path, { bigint: true });
}

async function statusBy(call: string, path: string, read: () => Promise<BigIntStats>): Promise<FileStatus | undefined> {
  try {
    return fileStatus(await asSystemCall(call, path, read));
  } catch (error) {
    const errno = errnoOf(error);
    // ENOTDIR: a parent is a file, so the path does not exist either.
    if (errno === "ENOENT" || errno === "ENOTDIR") return undefined;
    throw error;
  }
}

function fileStatus(stats: BigIntStats): FileStatus {
  return {
    kind: kindOf(stats),
    mode: Number(stats.mode) & 0o7777,
    uid: Number(stats.uid),
    gid: Number(stats.gid),
    size: Number(stats.size),
    device: stats.dev,
    inode: stats.ino,
    deviceNumber: stats.rdev,
    modifiedMs: milliseconds(stats.mtimeNs),
    changedMs: milliseconds(stats.ctimeNs),
    allocatedBytes: Number(stats.blocks) * blockBytes,
  };
}

/** The same arithmetic as on the small engine, so that both give exactly the same number. */
function milliseconds(ns: bigint): number {
  return Number(ns / 1_000_000_000n) * 1000 + Number(ns % 1_000_000_000n) / 1e6;
}

/** Unit of `st_blocks`, whatever the block size of the file system. */
const blockBytes = 512;

function kindOf(stats: BigIntStats): FileStatus["kind"] {
  if (stats.isDirectory()) return "directory";
  if (stats.isSymbolicLink()) return "symlink";
  if (stats.isFIFO()) return "fifo";
  if (stats.isSocket()) return "socket";
  if (stats.isCharacterDevice()) return "character";
  if (stats.isBlockDevice()) return "block";
  return "file";
}
