/**
 * Removal of a directory tree that a guest may have filled. Every directory is opened without following links and
 * worked on through its descriptor; other mounts are never entered; a tree of any depth takes a bounded number of
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

/** Deeper directories are first moved up to the top of the tree. */
const maxDepth = 64;
/** How long the loop may be kept from other work. */
const turnMs = 4;

/** As `Files.removeTree`. The path itself may be a file or a link, which is removed. */
export async function removeTree(path: string): Promise<void> {
  // The name itself may be a link, which is not followed; what is above it may.
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
      // Entries that were moved up may be behind the position that was read.
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
    // Most directories of a deep tree are not empty, most of a wide one are.
    if (native.unlinkat(parent, name, AT_REMOVEDIR) === 0) return;
    const directory = openIfDirectory(name, parent);
    if (directory === undefined) {
      removed(native.unlinkat(parent, name, 0), "unlink", name);
      return;
    }
    try {
      // Mounted since the table was read. Files that are mount points need no check: unlink refuses them.
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

/** Somebody else may have removed it first. */
function removed(result: number, call: string, name: Path): void {
  if (result < 0 && result !== ENOENT) throw failure(result, call, name);
}

/** `undefined` for what is no directory. */
function openIfDirectory(path: Path, parent: number): number | undefined {
  try {
    return openDirectory(path, parent, true);
  } catch (error) {
    if (isSystemError(error, "ENOTDIR", "ELOOP")) return undefined;
    throw error;
  }
}
