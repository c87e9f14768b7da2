/** Puts finished files into the install root: by rename, and only if they differ from the present ones. */
import { createHash } from "node:crypto";
import { chmod, copyFile, readFile, rename, rm, writeFile } from "node:fs/promises";

export interface Placed {
  readonly sha256: string;
  /** Size of the file in bytes. */
  readonly size: number;
}

/**
 * A running sandbox that has the old file open or mapped keeps it, because rename makes a new one. An unchanged file
 * keeps its modification time, so that what depends on it need not be rebuilt.
 */
export async function placeBytes(path: string, bytes: Uint8Array, mode: number): Promise<Placed> {
  const placed = { sha256: createHash("sha256").update(bytes).digest("hex"), size: bytes.length };
  const present = await readFile(path).catch(() => undefined);
  if (present?.equals(bytes) !== true) await replace(path, mode, (temporary) => writeFile(temporary, bytes));
  return placed;
}

/** Like `placeBytes`, from a file of the cache, sharing its blocks if the file system supports it. */
export async function placeFile(path: string, source: string, mode: number): Promise<Placed> {
  const placed = await measure(source);
  const present = await measure(path).catch(() => undefined);
  if (present?.sha256 !== placed.sha256) await replace(path, mode, (temporary) => copyFile(source, temporary));
  return placed;
}

export async function measure(path: string): Promise<Placed> {
  const bytes = await readFile(path);
  return { sha256: createHash("sha256").update(bytes).digest("hex"), size: bytes.length };
}

async function replace(path: string, mode: number, write: (temporary: string) => Promise<void>): Promise<void> {
  const temporary = `${path}.${process.pid}.new`;
  try {
    await write(temporary);
    await chmod(temporary, mode);
    await rename(temporary, path);
  } finally {
    await rm(temporary, { force: true });
  }
}
