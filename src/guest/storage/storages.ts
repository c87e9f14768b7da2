/**
 * The storages mounted for the sandbox and its containers, by mount point. Several requests may ask for the same mount
 * point: it is mounted once, and unmounted when the last one has released it.
 */
import { mkdirIfMissing, mkdirIfPossible, rmdir, unlink } from "../../sys/linux/directory.ts";
import { closeQuietly, open } from "../../sys/linux/file.ts";
import { attachMount, MNT_DETACH, UMOUNT_NOFOLLOW, umount2 } from "../../sys/linux/mount.ts";
import { O_CLOEXEC, O_CREAT, O_EXCL, O_WRONLY } from "../../sys/linux/open-flags.ts";
import { isKumiteError, isSystemError, KumiteError, messageOf } from "../../util/errors.ts";
import { dirName, normalizePath } from "../../util/path.ts";
import {
  type DetachedStorage,
  daemonDriver,
  makeStorage,
  type StorageContext,
  type StorageRequest,
} from "./drivers.ts";
import type { ReadyStorages } from "./ready-layers.ts";

/** Mount points that are held and released together. */
export interface StorageHold {
  /** Releases all, newest first, and does not stop at a failure. Returns the failures. Idempotent. */
  release(): KumiteError[];
}

interface Mounted {
  holders: number;
  readonly isMount: boolean;
  /** Whether a daemon on the host serves it. */
  readonly isServed: boolean;
  /** What was created as the mount point, and is removed with it. */
  readonly made: "directory" | "file" | "nothing";
  readonly undo: (() => void) | undefined;
}

export class Storages {
  readonly context: StorageContext;
  readonly #mounted = new Map<string, Mounted>();
  #ready: ReadyStorages | undefined;

  constructor(context: StorageContext) {
    this.context = context;
  }

  /** Mounts that were made in advance, for the requests that match them. */
  useReady(ready: ReadyStorages): void {
    this.#ready = ready;
  }

  /**
   * Mounts, in order, what is not mounted yet.
   * @throws KumiteError `usage/invalid`, `storage/failed`; then nothing that it mounted is left
   */
  acquire(requests: readonly StorageRequest[]): StorageHold {
    const held: string[] = [];
    const release = (): KumiteError[] =>
      held
        .splice(0)
        .reverse()
        .flatMap((point) => this.#release(point));
    try {
      for (const request of requests) {
        const point = checkedMountPoint(request.mountPoint);
        this.#acquire(point, request);
        held.push(point);
      }
    } catch (error) {
      release();
      throw error;
    }
    return { release };
  }

  /** All mount points. */
  get points(): readonly string[] {
    return [...this.#mounted].filter(([, { isMount }]) => isMount).map(([point]) => point);
  }

  /** Whether a daemon on the host serves any of them. */
  get areServed(): boolean {
    return [...this.#mounted.values()].some(({ isServed }) => isServed);
  }

  #acquire(point: string, request: StorageRequest): void {
    const present = this.#mounted.get(point);
    if (present !== undefined) {
      present.holders += 1;
      return;
    }
    try {
      this.#mounted.set(point, { holders: 1, ...this.#mountOnto(point, request) });
    } catch (error) {
      if (isKumiteError(error)) throw error;
      const what = `mounting ${request.driver} storage ${JSON.stringify(request.source)} on ${point}`;
      throw new KumiteError("storage/failed", `${what}: ${messageOf(error)}`, { cause: error });
    }
  }

  #mountOnto(point: string, request: StorageRequest): Omit<Mounted, "holders"> {
    const storage = this.#ready?.take(request) ?? makeStorage(request, this.context);
    return attach(point, storage, request.driver === daemonDriver);
  }

  #release(point: string): KumiteError[] {
    const mounted = this.#mounted.get(point);
    if (mounted === undefined || --mounted.holders > 0) return [];
    this.#mounted.delete(point);
    try {
      // Lazily: a process that still uses the mount keeps it, but nobody can reach it any more.
      if (mounted.isMount) umount2(point, MNT_DETACH | UMOUNT_NOFOLLOW);
      removeMade(point, mounted.made);
      mounted.undo?.();
      return [];
    } catch (error) {
      return [new KumiteError("storage/failed", `unmounting ${point}: ${messageOf(error)}`, { cause: error })];
    }
  }
}

function checkedMountPoint(mountPoint: string): string {
  const point = normalizePath(mountPoint);
  if (mountPoint.startsWith("/") && point !== "/" && !mountPoint.includes("\0")) return point;
  throw new KumiteError(
    "usage/invalid",
    `${JSON.stringify(mountPoint)} is not a mount point: it must be an absolute path`,
  );
}

function attach(
  point: string,
  { mount, directory, undo }: DetachedStorage,
  isServed: boolean,
): Omit<Mounted, "holders"> {
  if (mount === undefined) return { isMount: false, isServed: false, made: "nothing", undo };
  try {
    const made = directory ? makeDirectories(point) : makeFile(point);
    try {
      attachMount(mount, point);
      return { isMount: true, isServed, made, undo };
    } catch (error) {
      removeMade(point, made);
      throw error;
    }
  } catch (error) {
    undo?.();
    throw error;
  } finally {
    closeQuietly(mount);
  }
}

function removeMade(point: string, made: Mounted["made"]): void {
  if (made === "directory") rmdir(point);
  if (made === "file") unlink(point);
}

function makeDirectories(path: string): Mounted["made"] {
  let isNew = path === "/" ? false : mkdirIfPossible(path, 0o755);
  if (isNew === undefined) {
    makeDirectories(dirName(path));
    isNew = mkdirIfMissing(path, 0o755);
  }
  return isNew ? "directory" : "nothing";
}

function makeFile(path: string): Mounted["made"] {
  makeDirectories(dirName(path));
  try {
    closeQuietly(open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644));
    return "file";
  } catch (error) {
    if (isSystemError(error, "EEXIST")) return "nothing";
    throw error;
  }
}
