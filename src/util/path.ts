/**
 * POSIX paths as text. Looks at no file system: `..` is resolved lexically and symlinks are not known here.
 */

export function isAbsolutePath(path: string): boolean {
  return path.startsWith("/");
}

/** Without `.`, `..`, empty components and trailing slash; an absolute path never climbs above `/`. */
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

/** Nearly all absolute paths are as they should be, which is seen a hundred times faster than made. */
function isNormal(path: string): boolean {
  return path.startsWith("/") && !path.includes("//") && !path.includes("/.") && !path.endsWith("/");
}

/** Joins and normalizes; a later absolute part does not restart: `joinPath("/a", "/b")` is `/a/b`. */
export function joinPath(first: string, ...rest: string[]): string {
  return normalizePath([first, ...rest].join("/"));
}

/** `path` itself when it is absolute, else below `base`. */
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

/** `path` is `directory` or lies below it; both normalized. */
export function isBelow(directory: string, path: string): boolean {
  return path === directory || path.startsWith(directory === "/" ? "/" : `${directory}/`);
}
