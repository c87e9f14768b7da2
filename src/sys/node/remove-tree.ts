/**
 * Removes a directory tree whose content may come from a guest. Every directory is opened without following symlinks
 * and used through its descriptor, so that no name is resolved twice. Directories on other mounts are never entered. A
 * tree of any depth needs a bounded number of descriptors.
 *
 * The calls are synchronous: on the memory file systems that hold run-time state each takes microseconds, while a trip
 * through Node's thread pool takes a hundred. Every few milliseconds other work may run.
 */
import { randomBytes } from "node:crypto";
import * as fs from "node:fs";
import { setImmediate } from "node:timers/promises";
import { SystemError } from "../../util/errors.ts";
import { baseName, dirName, isBelow, joinPath } from "../../util/path.ts";
import { readMountTable } from "./mount-table.ts";
import { asSystemCall, errnoOf } from "./system-error.ts";

/** Directories below this depth are first moved up to the top of the tree. */
const maxDepth = 64;
const turnMs = 4;
/** For one entry that another process keeps exchanging. */
const maxAttempts = 100;
/** Node has no name for it. */
const O_PATH = 0o10000000;

/** Implements `Files.removeTree`. */
export async function removeTree(path: string): Promise<void> {
  await asSystemCall("rmtree", path, async () => {
    // Symlinks above the last component are followed, once: from here on the parent is a descriptor.
    const parent = fs.openSync(fs.realpathSync(dirName(path)), O_PATH | fs.constants.O_DIRECTORY);
    try {
      const target = joinPath(fs.readlinkSync(byDescriptor(parent)), baseName(path));
      const mounted = (await readMountTable()).find((entry) => isBelow(target, entry.target));
      if (mounted !== undefined) throw new SystemError("EBUSY", "rmtree", mounted.target);
      await removeFrom(parent, baseName(path));
    } finally {
      fs.closeSync(parent);
    }
  });
}

async function removeFrom(parent: number, base: string): Promise<void> {
  const name = `${byDescriptor(parent)}/${base}`;
  const top = openDirectory(name);
  if (top === undefined) return fs.unlinkSync(name);
  try {
    const mountId = mountIdOf(top);
    // The mount is newer than the table that was read.
    if (mountId !== mountIdOf(parent)) throw new SystemError("EBUSY", "rmtree", base);
    await new TreeRemoval(top, mountId).run();
  } finally {
    fs.closeSync(top);
  }
  fs.rmdirSync(name);
}

class TreeRemoval {
  readonly #top: number;
  readonly #mountId: string;
  #moved = 0;
  #turnEndsAt = performance.now() + turnMs;

  constructor(top: number, mountId: string) {
    this.#top = top;
    this.#mountId = mountId;
  }

  async run(): Promise<void> {
    let movedBefore: number;
    do {
      movedBefore = this.#moved;
      await this.#empty(this.#top, 0);
    } while (this.#moved > movedBefore);
  }

  async #empty(directory: number, depth: number): Promise<void> {
    const entries = fs.readdirSync(byDescriptor(directory), { withFileTypes: true, encoding: "buffer" });
    for (const entry of entries as unknown as fs.Dirent<Buffer>[]) {
      const name = Buffer.concat([Buffer.from(`${byDescriptor(directory)}/`), entry.name]);
      await this.#removeEntry(name, depth, entry.isDirectory());
      await this.#letOthersRun();
    }
  }

  /** Another process may exchange a directory for something else, or the reverse, at any moment. */
  async #removeEntry(name: Buffer, depth: number, wasDirectory: boolean): Promise<void> {
    let isDirectory = wasDirectory;
    for (let attempt = 0; attempt < maxAttempts; attempt++) {
      try {
        if (!isDirectory) fs.unlinkSync(name);
        else if (depth < maxDepth) await this.#removeDirectory(name, depth + 1);
        else this.#moveToTop(name);
        return;
      } catch (error) {
        const errno = errnoOf(error);
        // Another process removed the entry first.
        if (errno === "ENOENT") return;
        if (errno !== "ENOTDIR" && errno !== "EISDIR") throw error;
        isDirectory = errno === "EISDIR";
      }
    }
    throw new SystemError("EBUSY", "rmtree", name.toString());
  }

  async #removeDirectory(name: Buffer, depth: number): Promise<void> {
    const directory = openDirectory(name);
    if (directory === undefined) return fs.unlinkSync(name);
    try {
      // The mount is newer than the table that was read. Files need no check, since unlink(2) refuses mount points.
      if (mountIdOf(directory) !== this.#mountId) throw new SystemError("EBUSY", "rmtree", name.toString());
      await this.#empty(directory, depth);
    } finally {
      fs.closeSync(directory);
    }
    fs.rmdirSync(name);
  }

  /** The new name cannot be guessed, so that nobody can take it beforehand. */
  #moveToTop(name: Buffer): void {
    fs.renameSync(name, `${byDescriptor(this.#top)}/.removing.${randomBytes(8).toString("hex")}`);
    this.#moved += 1;
  }

  async #letOthersRun(): Promise<void> {
    if (performance.now() < this.#turnEndsAt) return;
    await setImmediate();
    this.#turnEndsAt = performance.now() + turnMs;
  }
}

function byDescriptor(fd: number): string {
  return `/proc/self/fd/${fd}`;
}

/** `undefined` for anything but a directory. */
function openDirectory(name: string | Buffer): number | undefined {
  try {
    return fs.openSync(name, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY | fs.constants.O_NOFOLLOW);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === "ENOTDIR" || errno === "ELOOP") return undefined;
    throw error;
  }
}

/** A bind mount of the same file system has the same device number, but never the same mount id. */
function mountIdOf(directory: number): string {
  const path = `/proc/self/fdinfo/${directory}`;
  const id = /^mnt_id:\s*(\d+)$/m.exec(fs.readFileSync(path, "utf8"))?.[1];
  if (id === undefined) throw new SystemError("EIO", "read", path);
  return id;
}
