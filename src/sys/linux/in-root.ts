/**
 * Files below a directory whose content is untrusted. The kernel resolves every path as if that directory were the root
 * (openat2(2) with RESOLVE_IN_ROOT), so no symlink leads out of it. Missing components are created one at a time, each
 * in the directory that was just opened.
 */
import * as native from "kumite:native";
import { SystemError } from "../../util/errors.ts";
import { check, EAGAIN, EEXIST, ENOENT, failure } from "./check.ts";
import { readlink } from "./directory.ts";
import { closeQuietly, encodeOpenHow, openat, openat2 } from "./file.ts";
import {
  AT_FDCWD,
  O_CLOEXEC,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_PATH,
  RESOLVE_IN_ROOT,
  RESOLVE_NO_MAGICLINKS,
  RESOLVE_NO_SYMLINKS,
} from "./open-flags.ts";
import { fileType, S_IFLNK, S_IFREG } from "./stat.ts";

const ENOTDIR = -20;
/** The kernel's limit of symlinks in one path. */
const maxLinks = 40;

/** `path` is relative to the root, with or without a leading slash. Adds O_CLOEXEC. */
export function openInRoot(rootFd: number, path: string, flags: number): number {
  return check(tryOpenInRoot(rootFd, path, flags), "openat2", path);
}

/**
 * Like `openInRoot`; `undefined` when nothing exists there.
 * @param resolve additional RESOLVE_* bits
 */
export function openInRootIfPresent(rootFd: number, path: string, flags: number, resolve = 0): number | undefined {
  const fd = tryOpenInRoot(rootFd, path, flags, resolve);
  return fd === ENOENT || fd === ENOTDIR ? undefined : check(fd, "openat2", path);
}

/**
 * Returns the descriptor or the negated errno, since half of a container's paths are looked up only to find that they
 * are missing.
 */
function tryOpenInRoot(rootFd: number, path: string, flags: number, resolve = 0): number {
  let start = 0;
  while (path[start] === "/") start++;
  const relative = path.slice(start);
  const how = howInRoot(flags, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | resolve);
  let result = EAGAIN;
  // A rename or mount elsewhere can disturb the resolution of "..".
  for (let attempt = 0; result === EAGAIN && attempt < 128; attempt++) {
    result = native.openat2(rootFd, relative === "" ? "." : relative, how);
  }
  return result;
}

/** struct open_how by flags and RESOLVE_* bits. There are few combinations. */
const hows = new Map<number, Uint8Array>();

function howInRoot(flags: number, resolve: number): Uint8Array {
  // RESOLVE_* bits take five bits.
  const key = flags * 32 + resolve;
  const known = hows.get(key);
  if (known !== undefined) return known;
  const how = encodeOpenHow({ flags: flags | O_CLOEXEC, resolve });
  hows.set(key, how);
  return how;
}

/**
 * Opens a path that must not contain a symlink: for sources in a tree that an untrusted process can write to.
 * @throws SystemError ELOOP when there is one
 */
export function openWithoutLinks(path: string, flags: number): number {
  return openat2(AT_FDCWD, path, { flags: flags | O_CLOEXEC, resolve: RESOLVE_NO_SYMLINKS });
}

/** Returns an O_PATH descriptor of the directory, which is created if missing, together with its parents. */
export function makeDirectoriesInRoot(rootFd: number, path: string, mode: number): number {
  const present = tryOpenInRoot(rootFd, path, O_PATH | O_DIRECTORY);
  if (present !== ENOENT) return check(present, "openat2", path);
  const walk = new Walk(rootFd, path);
  try {
    while (walk.hasNext()) walk.enter(mode);
    return walk.take();
  } finally {
    walk.close();
  }
}

/**
 * Returns an O_PATH descriptor of the file, which is created empty if missing, together with its parents. For a
 * dangling symlink the file is created where it points to, still below the root.
 */
export function makeFileInRoot(rootFd: number, path: string, mode: number, directoryMode: number): number {
  const present = openInRootIfPresent(rootFd, path, O_PATH);
  if (present !== undefined) return present;
  const walk = new Walk(rootFd, path);
  try {
    for (;;) {
      if (!walk.hasNext()) return walk.take();
      if (walk.isAtLast()) walk.enterFile(mode);
      else walk.enter(directoryMode);
    }
  } finally {
    walk.close();
  }
}

function componentsOf(path: string): string[] {
  return path.split("/").filter((part) => part !== "" && part !== ".");
}

/** Walks down from the root, creates what is missing, and follows symlinks itself, but never above the root. */
class Walk {
  readonly #rootFd: number;
  readonly #path: string;
  /** The open directories below the root. */
  readonly #trail: number[] = [];
  #rest: string[];
  #links = 0;

  constructor(rootFd: number, path: string) {
    this.#rootFd = rootFd;
    this.#path = path;
    this.#rest = componentsOf(path);
  }

  hasNext(): boolean {
    return this.#rest.length > 0;
  }

  isAtLast(): boolean {
    return this.#rest.length === 1;
  }

  /** Enters a directory, which is created if missing, or follows a symlink. */
  enter(mode: number): void {
    this.#enter((name) => {
      const made = native.mkdirat(this.#here(), name, mode);
      // Another process may have created it meanwhile; whatever is there must be a directory.
      if (made < 0 && made !== EEXIST) throw failure(made, "mkdir", this.#path);
      return openat(this.#here(), name, O_PATH | O_NOFOLLOW | O_DIRECTORY | O_CLOEXEC);
    });
  }

  /** Does the same for a file. */
  enterFile(mode: number): void {
    this.#enter((name) => {
      check(native.mknodat(this.#here(), name, S_IFREG | mode, 0), "mknod", this.#path);
      return openat(this.#here(), name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    });
  }

  #enter(make: (name: string) => number): void {
    const name = this.#rest.shift() as string;
    if (name === "..") {
      const left = this.#trail.pop();
      if (left !== undefined) closeQuietly(left);
      return;
    }
    const opened = native.openat(this.#here(), name, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
    if (opened === ENOENT) this.#trail.push(make(name));
    else this.#descend(check(opened, "open", this.#path));
  }

  /** Returns the descriptor that was reached; the caller closes it. */
  take(): number {
    const last = this.#trail.pop();
    if (last !== undefined) return last;
    return openat(this.#rootFd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
  }

  close(): void {
    for (const fd of this.#trail.splice(0)) closeQuietly(fd);
  }

  #here(): number {
    return this.#trail[this.#trail.length - 1] ?? this.#rootFd;
  }

  /** Enters a directory or follows a symlink. Takes ownership of the descriptor. */
  #descend(fd: number): void {
    if (fileType(fd) !== S_IFLNK) {
      this.#trail.push(fd);
      return;
    }
    const target = readlink("", fd);
    closeQuietly(fd);
    if (++this.#links > maxLinks) throw new SystemError("ELOOP", "open", this.#path);
    if (target.startsWith("/")) this.close();
    this.#rest = [...componentsOf(target), ...this.#rest];
  }
}
