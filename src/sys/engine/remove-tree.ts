/**
 * Removes a directory tree whose content may come from a guest. Every directory is opened without following symlinks
 * and used through its descriptor. Other mounts are never entered. A tree of any depth needs a bounded number of
 * descriptors.
 */
import * as native from "kumite:native";
import { delay } from "../../util/abort.ts";
import { isSystemError, SystemError } from "../../util/errors.ts";
import { baseName, dirName, isBelow, joinPath } from "../../util/path.ts";
import { check, ENOENT, failure, type Path, pathText } from "../linux/check.ts";
import { DT_DIR, DT_UNKNOWN, openDirectory, readEntries, realpath } from "../linux/directory.ts";
import { closeQuietly } from "../linux/file.ts";
import { AT_FDCWD, AT_REMOVEDIR } from "../linux/open-flags.ts";
import { mountTable } from "../linux/proc.ts";
import { fstat } from "../linux/stat.ts";
import { CLOCK_MONOTONIC, clockMs } from "../linux/time.ts";

/** Directories below this depth are first moved up to the top of the tree. */
const maxDepth = 64;
/** How long the event loop may be blocked. */
const turnMs = 4;

/** Implements `Files.removeTree`. If the path is a file or a symlink, that is removed. */
export async function removeTree(path: string): Promise<void> {
  // Symlinks above the last component are followed, the last component is not.
  const target = joinPath(realpath(dirName(path)), baseName(path));
  const mounted = mountTable().find((entry) => isBelow(target, entry.target));
  if (mounted !== undefined) throw new SystemError("EBUSY", "rmtree", mounted.target);
  const top = openIfDirectory(target, AT_FDCWD);
  if (top === undefined) {
    check(native.unlinkat(AT_FDCWD, target, 0), "unlink", path);
    return;
  }
  try {
    await new TreeRemoval(top).run();
  } finally {
    closeQuietly(top);
  }
  check(native.unlinkat(AT_FDCWD, target, AT_REMOVEDIR), "rmdir", path);
}

class TreeRemoval {
  readonly #top: number;
  readonly #mountId: bigint;
  #moved = 0;
  #turnEndsAt = clockMs(CLOCK_MONOTONIC) + turnMs;

  constructor(top: number) {
    this.#top = top;
    this.#mountId = fstat(top).mountId;
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
      if (type !== DT_DIR && type !== DT_UNKNOWN) removed(native.unlinkat(directory, path, 0), "unlink", path);
      else await this.#removeEntry(directory, path, depth + 1);
      if (clockMs(CLOCK_MONOTONIC) >= this.#turnEndsAt) await this.#letOthersRun();
    }
  }

  async #removeEntry(parent: number, name: Path, depth: number): Promise<void> {
    // Try rmdir first: most directories of a wide tree are empty.
    if (native.unlinkat(parent, name, AT_REMOVEDIR) === 0) return;
    const directory = openIfDirectory(name, parent);
    if (directory === undefined) {
      removed(native.unlinkat(parent, name, 0), "unlink", name);
      return;
    }
    try {
      // The mount is newer than the table that was read. Files need no check, since unlink refuses mount points.
      if (fstat(directory).mountId !== this.#mountId) throw new SystemError("EBUSY", "rmtree", pathText(name));
      if (depth > maxDepth) {
        this.#moveToTop(parent, name);
        return;
      }
      await this.#empty(directory, depth);
    } finally {
      closeQuietly(directory);
    }
    removed(native.unlinkat(parent, name, AT_REMOVEDIR), "rmdir", name);
  }

  #moveToTop(parent: number, name: Path): void {
    const to = `.removing.${native.getpid()}.${this.#moved}`;
    check(native.renameat2(parent, name, this.#top, to, 0), "rename", name);
    this.#moved += 1;
  }

  async #letOthersRun(): Promise<void> {
    await delay(0);
    this.#turnEndsAt = clockMs(CLOCK_MONOTONIC) + turnMs;
  }
}

/** Another process may have removed the entry first. */
function removed(result: number, call: string, name: Path): void {
  if (result < 0 && result !== ENOENT) throw failure(result, call, name);
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
