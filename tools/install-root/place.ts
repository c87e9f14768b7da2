/** Puts finished files into the install root: by rename, and only when they differ from what is there. */
import { createHash } from "node:crypto";
import { chmod, copyFile, readFile, rename, rm, writeFile } from "node:fs/promises";

export interface Placed {
  readonly sha256: string;
  /** Of the file in bytes. */
  readonly size: number;
}

/**
 * A running sandbox may have the old file open or mapped: it keeps it, as rename makes a new one. An unchanged file keeps
 * its time, so that what depends on it need not be made again.
 */
export async function placeBytes(path: string, bytes: Uint8Array, mode: number): Promise<Placed> {
  const placed = { sha256: createHash("sha256").update(bytes).digest("hex"), size: bytes.length };
  const present = await readFile(path).catch(() => undefined);
  if (present?.equals(bytes) !== true) await replace(path, mode, (temporary) => writeFile(temporary, bytes));
  return placed;
}

/** As `placeBytes`, from a file of the cache, sharing its blocks where the file system can. */
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
