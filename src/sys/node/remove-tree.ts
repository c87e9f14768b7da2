/**
 * Removes a directory tree whose content may come from a guest. Every directory is opened without following symlinks
 * and used through its descriptor, so that no name is resolved twice. Directories on other mounts are never entered. A
 * tree of any depth needs a bounded number of descriptors.
 *
 * The calls are synchronous: on the memory file systems that hold run-time state each takes microseconds, while a trip
 * through Node's thread pool takes a hundred. Every few milliseconds other work may run.
 */
import * as fs from "node:fs";
import { setImmediate } from "node:timers/promises";
import { SystemError } from "../../util/errors.ts";
import { baseName, dirName, isBelow, joinPath } from "../../util/path.ts";
import { readMountTable } from "./mount-table.ts";
import { asSystemCall, errnoOf } from "./system-error.ts";

/** Directories below this depth are first moved up to the top of the tree. */
const maxDepth = 64;
const turnMs = 4;

/** Implements `Files.removeTree`. */
export async function removeTree(path: string): Promise<void> {
  await asSystemCall("rmtree", path, async () => {
    // The last component may be a symlink, which is removed and not followed; its parent is resolved.
    const target = joinPath(fs.realpathSync(dirName(path)), baseName(path));
    const mounted = (await readMountTable()).find((entry) => isBelow(target, entry.target));
    if (mounted !== undefined) throw new SystemError("EBUSY", "rmtree", mounted.target);
    const directory = openDirectory(target);
    if (directory === undefined) return fs.unlinkSync(target);
    try {
      await new TreeRemoval(directory).run();
    } finally {
      fs.closeSync(directory);
    }
    fs.rmdirSync(target);
  });
}

class TreeRemoval {
  readonly #top: number;
  readonly #mountId: string;
  #moved = 0;
  #turnEndsAt = performance.now() + turnMs;

  constructor(top: number) {
    this.#top = top;
    this.#mountId = mountIdOf(top);
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
      try {
        if (!entry.isDirectory()) fs.unlinkSync(name);
        else if (depth < maxDepth) await this.#removeDirectory(name, depth + 1);
        else this.#moveToTop(name);
      } catch (error) {
        // Another process has removed it first.
        if (errnoOf(error) !== "ENOENT") throw error;
      }
      await this.#letOthersRun();
    }
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

  #moveToTop(name: Buffer): void {
    fs.renameSync(name, `${byDescriptor(this.#top)}/.removing.${process.pid}.${this.#moved}`);
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
