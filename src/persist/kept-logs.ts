/**
 * Logs of failed sandboxes that are gone: the last lines of guest and shim, kept so that `kumite logs` can show the
 * reason. Limited in number and size, and lost when the host restarts, like everything below /run.
 */
import type { Os } from "../sys/os.ts";
import { isSystemError } from "../util/errors.ts";
import { isRecord, parseJson } from "../util/json.ts";
import { joinPath } from "../util/path.ts";
import { sha256Hex } from "../util/sha256.ts";
import { type SandboxPaths, sandboxPaths } from "./paths.ts";

/** Shared by all roots; the dot prevents a clash with an id. */
const keptLogsDirectory = "/run/kumite/.kept";

/** Number of failures kept, the newest ones. */
const maxKept = 16;
/** Limit of one file; its end is kept. */
const maxFileBytes = 256 * 1024;
const readLimitBytes = 16 * 1024 * 1024;
const description = "kept.json";

export interface KeptLogs {
  readonly id: string;
  /** Why they were kept; completes a sentence about the container. */
  readonly reason: string;
  /** Milliseconds since 1970. */
  readonly keptMs: number;
  readonly paths: LogPaths;
}

/** Files of a sandbox's directory that `logs` shows. */
export type LogPaths = Pick<SandboxPaths, "console" | "log">;

export interface KeepRequest {
  readonly root: string;
  readonly id: string;
  /** Current directory of the sandbox's files. */
  readonly directory: string;
  readonly reason: string;
  /** For tests. */
  readonly into?: string;
}

/** Keeps nothing for a sandbox without output. Replaces the logs of an earlier sandbox with the same id. */
export async function keepLogs(os: Os, request: KeepRequest): Promise<void> {
  const { root, id, directory, reason, into = keptLogsDirectory } = request;
  const texts = await textsBelow(os, directory, sandboxPaths(root, id));
  if (texts.length === 0) return;
  await os.files.makeDirs(into, 0o700);
  const staged = joinPath(into, `.new-${os.self.pid}-${os.random(6).join("")}`);
  await os.files.makeDir(staged, 0o700);
  try {
    for (const [name, bytes] of texts) await os.files.write(joinPath(staged, name), bytes);
    await os.files.write(joinPath(staged, description), JSON.stringify({ id, reason, keptMs: os.clock.now() }));
    const place = placeOf(into, root, id);
    await os.files.removeTree(place).catch(unlessGone);
    await os.files.rename(staged, place);
  } catch (error) {
    await os.files.removeTree(staged).catch(unlessGone);
    throw error;
  }
  await removeOldest(os, into);
}

/** `undefined` if no logs of this container were kept. */
export async function findKeptLogs(
  os: Os,
  root: string,
  id: string,
  from = keptLogsDirectory,
): Promise<KeptLogs | undefined> {
  const place = placeOf(from, root, id);
  try {
    const told = parseJson(await os.files.readText(joinPath(place, description)));
    if (!isRecord(told) || typeof told.reason !== "string" || typeof told.keptMs !== "number") return undefined;
    const { console, log } = sandboxPaths(root, id);
    const moved = (path: string): string => joinPath(place, nameOf(path));
    return { id, reason: told.reason, keptMs: told.keptMs, paths: { console: moved(console), log: moved(log) } };
  } catch (error) {
    if (isSystemError(error, "ENOENT", "ENOTDIR")) return undefined;
    throw error;
  }
}

async function textsBelow(os: Os, directory: string, { console, log }: LogPaths): Promise<[string, Uint8Array][]> {
  const texts: [string, Uint8Array][] = [];
  for (const name of [nameOf(console), `${nameOf(console)}.1`, nameOf(log)]) {
    try {
      const bytes = await os.files.readBytes(joinPath(directory, name), readLimitBytes);
      if (bytes.length > 0) texts.push([name, endOf(bytes)]);
    } catch (error) {
      unlessGone(error);
    }
  }
  return texts;
}

/** Starts at the beginning of a line. */
function endOf(bytes: Uint8Array): Uint8Array {
  if (bytes.length <= maxFileBytes) return bytes;
  const end = bytes.subarray(bytes.length - maxFileBytes);
  return end.subarray(end.indexOf(0x0a) + 1);
}

async function removeOldest(os: Os, directory: string): Promise<void> {
  const kept: { readonly path: string; readonly modifiedMs: number }[] = [];
  for (const name of await os.files.list(directory)) {
    const path = joinPath(directory, name);
    const status = await os.files.linkStatus(path);
    if (status !== undefined) kept.push({ path, modifiedMs: status.modifiedMs });
  }
  kept.sort((a, b) => b.modifiedMs - a.modifiedMs);
  for (const { path } of kept.slice(maxKept)) await os.files.removeTree(path).catch(unlessGone);
}

function placeOf(directory: string, root: string, id: string): string {
  return joinPath(directory, sha256Hex(`${joinPath(root)}\0${id}`).slice(0, 16));
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

function unlessGone(error: unknown): void {
  if (!isSystemError(error, "ENOENT", "ENOTDIR")) throw error;
}
