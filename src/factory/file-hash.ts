/**
 * SHA-256 hashes of files. A file is not read again while its metadata is unchanged. The hashes are kept in the
 * template store, which only root can write. Readers take no lock, because the list is replaced atomically.
 */
import { runTool } from "../storage/host-tool.ts";
import type { FileStatus, Os } from "../sys/os.ts";
import { withDeadline } from "../util/deadline.ts";
import { KumiteError } from "../util/errors.ts";
import { isRecord, parseJson } from "../util/json.ts";
import { decodeUtf8 } from "../util/text.ts";

const version = 1;
const maxListBytes = 256 * 1024;
/** Old configurations leave entries behind; the oldest are dropped. */
const maxKept = 64;
const hashTimeoutMs = 60_000;
/** The lock is held while one small file is read and written. */
const lockTimeoutMs = 10_000;
/** Not the store's own lock, which is held for as long as a template is being made. */
const hashesLock = "hashes.lock";

interface Known {
  readonly path: string;
  /** The result of `identityOf`. */
  readonly identity: string;
  readonly sha256: string;
}

/**
 * Hashes in the order of `paths`.
 * @throws KumiteError `hypervisor/not-found` naming a missing file; `storage/failed` for a file that cannot be read or
 *   is being written
 */
export async function fileHashes(os: Os, store: string, paths: readonly string[]): Promise<string[]> {
  const list = `${store}/hashes.json`;
  const known = await readList(os, list);
  const identities = await Promise.all(paths.map((path) => identityOf(os, path)));
  const found = paths.map((path, index) => {
    return known.find((entry) => entry.path === path && entry.identity === identities[index])?.sha256;
  });
  const unread = [...new Set(paths.filter((_, index) => found[index] === undefined))];
  if (unread.length === 0) return found as string[];
  const read = await hash(os, unread);
  for (const path of unread) {
    if ((await identityOf(os, path)) !== identities[paths.indexOf(path)]) throw beingWritten(path);
  }
  const fresh = unread.map((path): Known => {
    return { path, identity: identities[paths.indexOf(path)] ?? "", sha256: read.get(path) ?? "" };
  });
  await remember(os, store, list, fresh);
  return paths.map((path, index) => found[index] ?? read.get(path) ?? "");
}

/** Adds to the list what was found out here, and keeps what others have added meanwhile. */
async function remember(os: Os, store: string, list: string, fresh: readonly Known[]): Promise<void> {
  await os.files.makeDirs(store, 0o700);
  const lock = `${store}/${hashesLock}`;
  await using _held = await withDeadline(lockTimeoutMs, `waiting for ${lock}`, (signal) => os.files.lock(lock, signal));
  const others = (await readList(os, list)).filter(({ path }) => !fresh.some((entry) => entry.path === path));
  await os.files.replace(list, `${JSON.stringify({ version, files: [...others, ...fresh].slice(-maxKept) })}\n`);
}

/**
 * Identifies the content of a file by its metadata: a file that is written gets a new ctime, which nobody can set, and
 * one that is replaced gets a new inode.
 * @throws KumiteError `hypervisor/not-found`
 */
export async function identityOf(os: Os, path: string): Promise<string> {
  const status = await os.files.status(path);
  if (status === undefined) {
    throw new KumiteError("hypervisor/not-found", `${path} is missing`, { phase: "template.find", data: { path } });
  }
  const { device, inode, size, modifiedMs, changedMs }: FileStatus = status;
  return `${device} ${inode} ${size} ${modifiedMs} ${changedMs}`;
}

async function hash(os: Os, paths: readonly string[]): Promise<Map<string, string>> {
  // With NUL-terminated lines sha256sum does not escape special characters in file names.
  const args = ["--zero", "--", ...paths];
  const { output } = await runTool(os, { tool: "sha256sum", package: "coreutils", args, timeoutMs: hashTimeoutMs });
  const lines = decodeUtf8(output).split("\0");
  return new Map(
    lines.flatMap((line) => (/^[0-9a-f]{64} [ *]/.test(line) ? [[line.slice(66), line.slice(0, 64)]] : [])),
  );
}

async function readList(os: Os, list: string): Promise<Known[]> {
  try {
    const value = parseJson(await os.files.readText(list, maxListBytes));
    if (!isRecord(value) || value.version !== version || !Array.isArray(value.files)) return [];
    return value.files.filter(isKnown);
  } catch {
    // Whatever is wrong with the list, the files are read again.
    return [];
  }
}

function isKnown(value: unknown): value is Known {
  if (!isRecord(value) || typeof value.sha256 !== "string" || !/^[0-9a-f]{64}$/.test(value.sha256)) return false;
  return typeof value.path === "string" && typeof value.identity === "string";
}

function beingWritten(path: string): KumiteError {
  return new KumiteError("storage/failed", `${path} is being written to, so its content cannot be identified`, {
    phase: "template.find",
    hint: "try again when the file is no longer written to",
    data: { path },
  });
}
