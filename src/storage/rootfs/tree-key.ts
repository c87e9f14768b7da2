/**
 * A name for what a directory tree holds, from what its file system says of each entry: two trees with one key have the
 * same content, without any of it being read.
 *
 * The kernel changes an entry's time of change (ctime) with each change of content, owner, mode, links and attributes, and
 * nobody can set it. What this misses: a clock of the host that was set back to the very nanosecond; extended attributes
 * of the tree's own root; and a file system that was changed below the kernel, as a disk. Of the root itself only owner
 * and mode count: an engine's overlay of the same image has another root each time.
 */
import type { Os } from "../../sys/os.ts";
import { delay } from "../../util/abort.ts";
import { sha256Hex } from "../../util/sha256.ts";
import { runTool } from "../host-tool.ts";

export interface TreeKeyOptions {
  /** Of the tree's list of entries, about 100 bytes each; one that is longer fails. Default 512 MiB. */
  readonly limitBytes?: number;
  /** SHA-256 in hex; default in JavaScript, which is fast under Node. */
  readonly digest?: (text: string) => string | Promise<string>;
}

const maxListBytes = 512 * 1024 * 1024;
const timeoutMs = 120_000;
/** Within one tick of the kernel's clock two changes have the same time. */
const tickMs = 20;
/** A tree that has just been unpacked rests after one tick; one that still moves after these many does not rest soon. */
const maxLooks = 10;

/**
 * Undefined for a tree that is being changed all the time.
 * @throws KumiteError `storage/failed`, `timeout`, `aborted`
 */
export async function treeKey(
  os: Os,
  directory: string,
  signal?: AbortSignal,
  options: TreeKeyOptions = {},
): Promise<string | undefined> {
  for (let looks = 0; looks < maxLooks; looks++) {
    const { key, newestMs } = await look(os, directory, signal, options);
    // A file that was changed just now could be changed again without showing it.
    const restMs = newestMs + tickMs - os.clock.now();
    if (restMs <= 0 || restMs > tickMs) return key;
    await delay(restMs, signal);
  }
  return undefined;
}

interface Look {
  readonly key: string;
  /** Of the last change of an entry. */
  readonly newestMs: number;
}

/** Type, inode, links, mode, owner, size, times of change of content and entry, path below the root, target of a link. */
const format = "%y %i %n %m %U %G %s %T@ %C@ %P\\0%l\\0";
/** Places of the root's own in its record. */
const [modeField, ownerField, groupField] = [3, 4, 5];

async function look(
  os: Os,
  directory: string,
  signal: AbortSignal | undefined,
  { limitBytes = maxListBytes, digest = sha256Hex }: TreeKeyOptions,
): Promise<Look> {
  const args = [directory, "-printf", format];
  const request = { tool: "find", package: "findutils", timeoutMs, signal, args, limitBytes };
  // It tells of a directory before it tells of what is in it.
  const [root = "", ...records] = pairs(fieldsOf((await runTool(os, request)).output));
  const fields = root.split(" ");
  const own = [modeField, ownerField, groupField].map((field) => fields[field]);
  return { key: await digest([...own, ...records.sort()].join("\n")), newestMs: newestOf(records) };
}

/** One character for each byte: names need not be UTF-8, and different ones must stay different. */
function fieldsOf(output: Uint8Array): string[] {
  let text = "";
  for (let at = 0; at < output.length; at += 8192) text += String.fromCharCode(...output.subarray(at, at + 8192));
  const fields = text.split("\0");
  fields.pop();
  return fields;
}

function pairs(fields: readonly string[]): string[] {
  const records: string[] = [];
  for (let at = 0; at + 1 < fields.length; at += 2) records.push(`${fields[at]}\0${fields[at + 1]}`);
  return records;
}

function newestOf(records: readonly string[]): number {
  let newest = 0;
  for (const record of records) newest = Math.max(newest, Number(record.split(" ", 9)[8]) * 1000);
  return newest;
}
