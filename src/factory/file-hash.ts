/**
 * What files are made of, as SHA-256. A file of which the file system says what it said when it was read is not read again:
 * the results are kept in the template store, where only root can write. Readers take no lock: the list is replaced as a whole.
 */
import { runTool } from "../storage/host-tool.ts";
import type { FileStatus, Os } from "../sys/os.ts";
import { withDeadline } from "../util/deadline.ts";
import { KumiteError } from "../util/errors.ts";
import { isRecord, parseJson } from "../util/json.ts";
import { decodeUtf8 } from "../util/text.ts";

const version = 1;
const maxListBytes = 256 * 1024;
/** Files of older configurations; the oldest go. */
const maxKept = 64;
const hashTimeoutMs = 60_000;
/** Held while one small file is read and written. */
const lockTimeoutMs = 10_000;
/** Beside the list; not the store's own, which is held for as long as a template is made. */
const hashesLock = "hashes.lock";

interface Known {
  readonly path: string;
  /** As `identityOf` has it. */
  readonly identity: string;
  readonly sha256: string;
}

/**
 * In the order of `paths`.
 * @throws KumiteError `hypervisor/not-found` naming a file that is missing; `storage/failed` for one that cannot be read, or
 *   that is being written
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

/** Beside what others have found out meanwhile. */
async function remember(os: Os, store: string, list: string, fresh: readonly Known[]): Promise<void> {
  await os.files.makeDirs(store, 0o700);
  const lock = `${store}/${hashesLock}`;
  await using _held = await withDeadline(lockTimeoutMs, `waiting for ${lock}`, (signal) => os.files.lock(lock, signal));
  const others = (await readList(os, list)).filter(({ path }) => !fresh.some((entry) => entry.path === path));
  await os.files.replace(list, `${JSON.stringify({ version, files: [...others, ...fresh].slice(-maxKept) })}\n`);
}

/**
 * The same as long as the file is: nobody can set a time of change, and one that is replaced has another inode.
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
  // Lines end with zeros, so that nothing in a name is taken for something else.
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
    // Whatever is wrong with it: the files are read again.
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
    hint: "try again when the writing has finished",
    data: { path },
  });
}
