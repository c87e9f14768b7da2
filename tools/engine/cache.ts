/** The cache of slow builds: one directory per content key, complete or absent. Losing it only costs time. */
import { createHash } from "node:crypto";
import { accessSync, constants, existsSync, mkdirSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rename, rm, stat, utimes } from "node:fs/promises";
import { homedir } from "node:os";
import { isAbsolute, join, resolve } from "node:path";

/** Where new entries are created: in the tree if the caller's home directory is missing or cannot be written. */
export function cacheRoot(): string {
  const usual = usualRoot();
  return usual !== undefined && (process.env.KUMITE_CACHE || isWritable(usual))
    ? usual
    : resolve(import.meta.dirname, "../../build/cache");
}

function usualRoot(): string | undefined {
  const home = homedir();
  return process.env.KUMITE_CACHE || (isAbsolute(home) ? join(home, ".cache", "kumite") : undefined);
}

function isWritable(directory: string): boolean {
  try {
    mkdirSync(directory, { recursive: true });
    accessSync(directory, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** A key over everything that determines the result. Parts are delimited: ("ab", "c") is not ("a", "bc"). */
export function contentKey(...parts: readonly (string | Uint8Array)[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(`${part.length}\0`).update(part);
  return hash.digest("hex").slice(0, 16);
}

/** Whether `cached` would find it. */
export function isCached(name: string, key: string): boolean {
  return existsSync(entryOf(name, key));
}

/**
 * The directory `<name>-<key>` of the cache. A missing one is built in a temporary directory and renamed into place,
 * so that an interrupted build leaves nothing that looks finished and two builds at once do not mix.
 */
export async function cached(name: string, key: string, build: (directory: string) => Promise<void>): Promise<string> {
  const target = entryOf(name, key);
  if (existsSync(target)) {
    // Marks the entry as used, for `prune`. A cache that cannot be written can still be read.
    await utimes(target, new Date(), new Date()).catch(() => {});
    return target;
  }
  const root = cacheRoot();
  await mkdir(root, { recursive: true });
  await prune(root, name);
  const temporary = await mkdtemp(join(root, `.${name}-`));
  try {
    await build(temporary);
    await rename(temporary, target).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error;
    });
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
  return target;
}

/** A cache that cannot be written can still be read. */
function entryOf(name: string, key: string): string {
  const entry = `${name}-${key}`;
  const found = [usualRoot() ?? cacheRoot(), cacheRoot()].map((root) => join(root, entry));
  return found.find((path) => existsSync(path)) ?? join(cacheRoot(), entry);
}

const unusedMs = 14 * 24 * 3600_000;

/** Removes entries that were not used for two weeks: every change of a source makes a new entry. */
async function prune(root: string, name: string): Promise<void> {
  for (const entry of await readdir(root)) {
    if (!entry.startsWith(`${name}-`) && !entry.startsWith(`.${name}-`)) continue;
    const path = join(root, entry);
    const usedMs = (await stat(path).catch(() => undefined))?.mtimeMs ?? Date.now();
    if (Date.now() - usedMs > unusedMs) await rm(path, { recursive: true, force: true });
  }
}
