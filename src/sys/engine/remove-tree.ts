/**
 * Removes a directory tree whose content may come from a guest. Every directory is opened without following symlinks
 * and used through its descriptor. Other mounts are never entered. A tree of any depth needs a bounded number of
 * descriptors.
 */
import * as native from "kumite:native";
import { delay } from "../../util/abort.ts";
import { isSystemError, SystemError } from "../../util/errors.ts";
import { toHex } from "../../util/hex.ts";
import { baseName, dirName, isBelow, joinPath } from "../../util/path.ts";
import { check, ENOENT, failure, type Path, pathText } from "../linux/check.ts";
import { DT_DIR, DT_UNKNOWN, openDirectory, readEntries, readlink, realpath } from "../linux/directory.ts";
import { closeQuietly, open } from "../linux/file.ts";
import { AT_REMOVEDIR, O_CLOEXEC, O_DIRECTORY, O_PATH } from "../linux/open-flags.ts";
import { mountTable } from "../linux/proc.ts";
import { getrandom } from "../linux/random.ts";
import { fstat } from "../linux/stat.ts";
import { CLOCK_MONOTONIC, clockMs } from "../linux/time.ts";

/** Directories below this depth are first moved up to the top of the tree. */
const maxDepth = 64;
/** How long the event loop may be blocked. */
const turnMs = 4;
/** For one entry that another process keeps exchanging. */
const maxAttempts = 100;
const ENOTDIR = -20;
const EISDIR = -21;

/** Implements `Files.removeTree`. If the path is a file or a symlink, that is removed. */
export async function removeTree(path: string): Promise<void> {
  // Symlinks above the last component are followed, once: from here on the parent is a descriptor.
  const parent = open(realpath(dirName(path)), O_PATH | O_DIRECTORY | O_CLOEXEC);
  try {
    const target = joinPath(readlink(`/proc/self/fd/${parent}`), baseName(path));
    const mounted = mountTable().find((entry) => isBelow(target, entry.target));
    if (mounted !== undefined) throw new SystemError("EBUSY", "rmtree", mounted.target);
    await removeFrom(parent, baseName(path));
  } finally {
    closeQuietly(parent);
  }
}

async function removeFrom(parent: number, name: string): Promise<void> {
  const top = openIfDirectory(name, parent);
  if (top === undefined) {
    check(native.unlinkat(parent, name, 0), "unlink", name);
    return;
  }
  try {
    const { mountId } = fstat(top);
    // The mount is newer than the table that was read.
    if (mountId !== fstat(parent).mountId) throw new SystemError("EBUSY", "rmtree", name);
    await new TreeRemoval(top, mountId).run();
  } finally {
    closeQuietly(top);
  }
  check(native.unlinkat(parent, name, AT_REMOVEDIR), "rmdir", name);
}

class TreeRemoval {
  readonly #top: number;
  readonly #mountId: bigint;
  #moved = 0;
  #turnEndsAt = clockMs(CLOCK_MONOTONIC) + turnMs;

  constructor(top: number, mountId: bigint) {
    this.#top = top;
    this.#mountId = mountId;
  }

  async run(): Promise<void> {
    let movedBefore: number;
    do {
      movedBefore = this.#moved;
      // Directories that were moved up may be before the current read position.
      check(native.lseek(this.#top, 0, 0), "lseek");
      await this.#empty(this.#top, 0);
    } while (this.#moved > movedBefore);
  }

  async #empty(directory: number, depth: number): Promise<void> {
    for (const { path, type } of readEntries(directory)) {
      await this.#removeEntry(directory, path, depth + 1, type === DT_DIR || type === DT_UNKNOWN);
      if (clockMs(CLOCK_MONOTONIC) >= this.#turnEndsAt) await this.#letOthersRun();
    }
  }

  /** Another process may exchange a directory for something else, or the reverse, at any moment. */
  async #removeEntry(parent: number, name: Path, depth: number, wasDirectory: boolean): Promise<void> {
    let isDirectory = wasDirectory;
    for (let attempt = 0; attempt < maxAttempts; attempt++) {
      const result = isDirectory ? await this.#removeDirectory(parent, name, depth) : native.unlinkat(parent, name, 0);
      if (result !== ENOTDIR && result !== EISDIR) {
        // Another process may have removed the entry first.
        if (result < 0 && result !== ENOENT) throw failure(result, "remove", name);
        return;
      }
      isDirectory = result === EISDIR;
    }
    throw new SystemError("EBUSY", "rmtree", pathText(name));
  }

  /** @returns 0 or the negated errno */
  async #removeDirectory(parent: number, name: Path, depth: number): Promise<number> {
    // Try rmdir first: most directories of a wide tree are empty.
    const removed = native.unlinkat(parent, name, AT_REMOVEDIR);
    if (removed === 0 || removed === ENOENT || removed === ENOTDIR) return removed;
    const directory = openIfDirectory(name, parent);
    if (directory === undefined) return ENOTDIR;
    try {
      // The mount is newer than the table that was read. Files need no check, since unlink refuses mount points.
      if (fstat(directory).mountId !== this.#mountId) throw new SystemError("EBUSY", "rmtree", pathText(name));
      if (depth > maxDepth) {
        this.#moveToTop(parent, name);
        return 0;
      }
      await this.#empty(directory, depth);
    } finally {
      closeQuietly(directory);
    }
    return native.unlinkat(parent, name, AT_REMOVEDIR);
  }

  /** The new name cannot be guessed, so that nobody can take it beforehand. */
  #moveToTop(parent: number, name: Path): void {
    const to = `.removing.${toHex(getrandom(8))}`;
    check(native.renameat2(parent, name, this.#top, to, 0), "rename", name);
    this.#moved += 1;
  }

  async #letOthersRun(): Promise<void> {
    await delay(0);
    this.#turnEndsAt = clockMs(CLOCK_MONOTONIC) + turnMs;
  }
}

/** `undefined` for anything but a directory. */
function openIfDirectory(path: Path, parent: number): number | undefined {
  try {
    return openDirectory(path, parent, true);
  } catch (error) {
    if (isSystemError(error, "ENOTDIR", "ELOOP")) return undefined;
    throw error;
  }
}
