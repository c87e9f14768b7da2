/**
 * Computes a key for the content of a directory tree from the metadata of its entries. Trees with the same key have the
 * same content, and no content is read.
 *
 * The kernel updates an entry's ctime with every change of content, owner, mode, links or attributes, and nobody can
 * set a ctime. Three changes are missed: a host clock set back to the same nanosecond; extended attributes of the
 * tree's root; and changes below the kernel, on the disk itself. Of the root only owner and mode count, because an
 * engine's overlay of the same image has a new root each time.
 */
import type { Os } from "../../sys/os.ts";
import { delay } from "../../util/abort.ts";
import { sha256Hex } from "../../util/sha256.ts";
import { runTool } from "../host-tool.ts";

export interface TreeKeyOptions {
  /** Limit on the list of entries, at about 100 bytes each; a longer list fails. Default 512 MiB. */
  readonly limitBytes?: number;
  /** SHA-256 in hex; the default is written in JavaScript, which is fast on Node. */
  readonly digest?: (text: string) => string | Promise<string>;
}

const maxListBytes = 512 * 1024 * 1024;
const timeoutMs = 120_000;
/** Two changes within one tick of the kernel's clock get the same time. */
const tickMs = 20;
/**
 * A freshly unpacked tree settles after one tick. One that still changes after this many looks will not settle soon.
 */
const maxLooks = 10;

/** `undefined` if the tree keeps changing. @throws KumiteError `storage/failed`, `timeout`, `aborted` */
export async function treeKey(
  os: Os,
  directory: string,
  signal?: AbortSignal,
  options: TreeKeyOptions = {},
): Promise<string | undefined> {
  for (let looks = 0; looks < maxLooks; looks++) {
    const { key, newestMs } = await look(os, directory, signal, options);
    // A file that has just changed could change again within the same tick, unnoticed.
    const restMs = newestMs + tickMs - os.clock.now();
    if (restMs <= 0 || restMs > tickMs) return key;
    await delay(restMs, signal);
  }
  return undefined;
}

interface Look {
  readonly key: string;
  /** Time of the latest change of an entry. */
  readonly newestMs: number;
}

/** Type, inode, links, mode, owner, size, mtime, ctime, path below the root, target of a link. */
const format = "%y %i %n %m %U %G %s %T@ %C@ %P\\0%l\\0";
/** Positions of these fields in the root's record. */
const [modeField, ownerField, groupField] = [3, 4, 5];

async function look(
  os: Os,
  directory: string,
  signal: AbortSignal | undefined,
  { limitBytes = maxListBytes, digest = sha256Hex }: TreeKeyOptions,
): Promise<Look> {
  const args = [directory, "-printf", format];
  const request = { tool: "find", package: "findutils", timeoutMs, signal, args, limitBytes, subject: directory };
  // find prints a directory before its entries.
  const [root = "", ...records] = pairs(fieldsOf((await runTool(os, request)).output));
  const fields = root.split(" ");
  const own = [modeField, ownerField, groupField].map((field) => fields[field]);
  return { key: await digest([...own, ...records.sort()].join("\n")), newestMs: newestOf(records) };
}

/** One character per byte: names need not be UTF-8, and different names must stay different. */
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
