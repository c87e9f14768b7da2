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

/** As `openInRoot`; `undefined` when there is nothing. @param resolve further RESOLVE bits */
export function openInRootIfPresent(rootFd: number, path: string, flags: number, resolve = 0): number | undefined {
  const fd = tryOpenInRoot(rootFd, path, flags, resolve);
  return fd === ENOENT || fd === ENOTDIR ? undefined : check(fd, "openat2", path);
}

/** The descriptor or the negated errno: half of the paths of a container are looked up to find that they are missing. */
function tryOpenInRoot(rootFd: number, path: string, flags: number, resolve = 0): number {
  let start = 0;
  while (path[start] === "/") start++;
  const relative = path.slice(start);
  const how = howInRoot(flags, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | resolve);
  let result = EAGAIN;
  // A rename or mount elsewhere disturbs the resolution of "..".
  for (let attempt = 0; result === EAGAIN && attempt < 128; attempt++) {
    result = native.openat2(rootFd, relative === "" ? "." : relative, how);
  }
  return result;
}

/** struct open_how by flags and RESOLVE bits, of which there are few. */
const hows = new Map<number, Uint8Array>();

function howInRoot(flags: number, resolve: number): Uint8Array {
  // RESOLVE bits take five.
  const key = flags * 32 + resolve;
  const known = hows.get(key);
  if (known !== undefined) return known;
  const how = encodeOpenHow({ flags: flags | O_CLOEXEC, resolve });
  hows.set(key, how);
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
 * The file, made empty if missing in directories made if missing, as an O_PATH descriptor. A link that leads to nothing
 * gets its file there, still below the root.
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

  isAtLast(): boolean {
    return this.#rest.length === 1;
  }

  /** Into a directory, made if missing, or on along a link. */
  enter(mode: number): void {
    this.#enter((name) => {
      const made = native.mkdirat(this.#here(), name, mode);
      // Somebody else may have made it since; whatever is there now must be a directory.
      if (made < 0 && made !== EEXIST) throw failure(made, "mkdir", this.#path);
      return openat(this.#here(), name, O_PATH | O_NOFOLLOW | O_DIRECTORY | O_CLOEXEC);
    });
  }

  /** The same for a file. */
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

  /** What was reached; the caller closes it. */
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
