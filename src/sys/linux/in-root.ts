/**
 * Files below a directory that somebody else fills: every path is resolved as if that directory were the root, by the
 * kernel (openat2(2) with RESOLVE_IN_ROOT), so that no symbolic link leads out of it. What is missing is made one
 * component at a time, each in the directory that was just opened.
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
/** The kernel's own limit of links in one path. */
const maxLinks = 40;

/** `path` is taken from the root, with or without leading slash. O_CLOEXEC is added. */
export function openInRoot(rootFd: number, path: string, flags: number): number {
  return check(tryOpenInRoot(rootFd, path, flags), "openat2", path);
}

/** As `openInRoot`; `undefined` when there is nothing. */
export function openInRootIfPresent(rootFd: number, path: string, flags: number): number | undefined {
  const fd = tryOpenInRoot(rootFd, path, flags);
  return fd === ENOENT || fd === ENOTDIR ? undefined : check(fd, "openat2", path);
}

/** The descriptor or the negated errno: half of the paths of a container are looked up to find that they are missing. */
function tryOpenInRoot(rootFd: number, path: string, flags: number): number {
  let start = 0;
  while (path[start] === "/") start++;
  const relative = path.slice(start);
  const how = howInRoot(flags);
  let result = EAGAIN;
  // A rename or mount elsewhere disturbs the resolution of "..".
  for (let attempt = 0; result === EAGAIN && attempt < 128; attempt++) {
    result = native.openat2(rootFd, relative === "" ? "." : relative, how);
  }
  return result;
}

/** struct open_how by flags, of which there are few. */
const hows = new Map<number, Uint8Array>();

function howInRoot(flags: number): Uint8Array {
  const known = hows.get(flags);
  if (known !== undefined) return known;
  const how = encodeOpenHow({ flags: flags | O_CLOEXEC, resolve: RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS });
  hows.set(flags, how);
  return how;
}

/**
 * Opens a path in which no symbolic link is allowed: for sources in a tree that somebody else may write.
 * @throws SystemError ELOOP when there is one
 */
export function openWithoutLinks(path: string, flags: number): number {
  return openat2(AT_FDCWD, path, { flags: flags | O_CLOEXEC, resolve: RESOLVE_NO_SYMLINKS });
}

/** The directory, with everything above it made if missing, as an O_PATH descriptor. */
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
 * The file, made empty if missing in directories made if missing, as an O_PATH descriptor.
 * @throws SystemError EEXIST for a link that leads nowhere
 */
export function makeFileInRoot(rootFd: number, path: string, mode: number, directoryMode: number): number {
  const present = openInRootIfPresent(rootFd, path, O_PATH);
  if (present !== undefined) return present;
  return withParentInRoot(rootFd, path, directoryMode, (parent, name) => {
    check(native.mknodat(parent, name, S_IFREG | mode, 0), "mknod", path);
    return openat(parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  });
}

/** Calls back with the opened parent directory, made if missing, and the last component. */
export function withParentInRoot<T>(
  rootFd: number,
  path: string,
  directoryMode: number,
  use: (parent: number, name: string) => T,
): T {
  const parts = componentsOf(path);
  const name = parts.pop();
  if (name === undefined || name === "..") throw new SystemError("EINVAL", "open", path);
  const parent = makeDirectoriesInRoot(rootFd, parts.join("/"), directoryMode);
  try {
    return use(parent, name);
  } finally {
    closeQuietly(parent);
  }
}

function componentsOf(path: string): string[] {
  return path.split("/").filter((part) => part !== "" && part !== ".");
}

/** A walk down from the root that makes what is missing and follows links itself, never above the root. */
class Walk {
  readonly #rootFd: number;
  readonly #path: string;
  /** The opened directories below the root. */
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

  enter(mode: number): void {
    const name = this.#rest.shift() as string;
    if (name === "..") {
      const left = this.#trail.pop();
      if (left !== undefined) closeQuietly(left);
      return;
    }
    const opened = native.openat(this.#here(), name, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
    if (opened === ENOENT) this.#make(name, mode);
    else this.#descend(check(opened, "open", this.#path));
  }

  /** The directory reached; the caller closes it. */
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

  #make(name: string, mode: number): void {
    const made = native.mkdirat(this.#here(), name, mode);
    // Somebody else may have made it since; whatever is there now must be a directory.
    if (made < 0 && made !== EEXIST) throw failure(made, "mkdir", this.#path);
    this.#trail.push(openat(this.#here(), name, O_PATH | O_NOFOLLOW | O_DIRECTORY | O_CLOEXEC));
  }

  /** Into a directory, or on along a link. Takes the descriptor over. */
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
