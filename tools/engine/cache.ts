/**
 * The cache of slow builds: one directory per content key, complete or absent.
 * Losing it costs time, nothing else.
 */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rename, rm, stat, utimes } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";

export function cacheRoot(): string {
  return process.env.KUMITE_CACHE || join(homedir(), ".cache", "kumite");
}

/** A key over everything that decides what is built. Parts are delimited: ("ab", "c") is not ("a", "bc"). */
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
    // Used: see prune. A cache that cannot be written is good enough for reading.
    await utimes(target, new Date(), new Date()).catch(() => {});
    return target;
  }
  await mkdir(cacheRoot(), { recursive: true });
  await prune(name);
  const temporary = await mkdtemp(join(cacheRoot(), `.${name}-`));
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

function entryOf(name: string, key: string): string {
  return join(cacheRoot(), `${name}-${key}`);
}

const unusedMs = 14 * 24 * 3600_000;

/** Removes what nobody has used for two weeks: every change of a source makes a new entry. */
async function prune(name: string): Promise<void> {
  for (const entry of await readdir(cacheRoot())) {
    if (!entry.startsWith(`${name}-`) && !entry.startsWith(`.${name}-`)) continue;
    const path = join(cacheRoot(), entry);
    const usedMs = (await stat(path).catch(() => undefined))?.mtimeMs ?? Date.now();
    if (Date.now() - usedMs > unusedMs) await rm(path, { recursive: true, force: true });
  }
}
