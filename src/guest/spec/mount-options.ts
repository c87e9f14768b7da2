/**
 * Mount options of the OCI specification, the same words as mount(8), sorted by what the kernel takes them as.
 * Pure: a table and a fold.
 */
import type { AttributeChange, FsParameter, Propagation } from "./plan.ts";

export interface MountOptions {
  readonly bind: "none" | "bind" | "rbind";
  readonly remount: boolean;
  readonly attributes: AttributeChange;
  readonly recursiveAttributes: AttributeChange;
  readonly propagation: readonly Propagation[];
  /** For the file system: its own words, and the generic ones that it handles (`sync`, `lazytime` …). */
  readonly parameters: readonly FsParameter[];
  /** Words that ask for something only the runtime can do, e.g. `tmpcopyup`. */
  readonly extensions: readonly string[];
}

/** MOUNT_ATTR_* of mount_setattr(2). */
export const mountAttribute = {
  readonly: 0x1,
  nosuid: 0x2,
  nodev: 0x4,
  noexec: 0x8,
  atimeMask: 0x70,
  noatime: 0x10,
  strictatime: 0x20,
  nodiratime: 0x80,
  nosymfollow: 0x20_0000,
} as const;

/** MS_* of mount(2) that mount_setattr(2) takes as propagation. */
export const propagation = {
  recursive: 0x4000,
  unbindable: 0x2_0000,
  private: 0x4_0000,
  slave: 0x8_0000,
  shared: 0x10_0000,
} as const;

const a = mountAttribute;
const on = (bits: number): AttributeChange => ({ set: bits, clear: 0 });
const off = (bits: number): AttributeChange => ({ set: 0, clear: bits });
/** The ways of keeping access times exclude each other: the kernel wants the whole field cleared with each. */
const atime = (bits: number): AttributeChange => ({ set: bits, clear: a.atimeMask });

/** With an `r` before the name: the same for the whole tree. */
const attributeWords: Readonly<Record<string, AttributeChange>> = {
  ro: on(a.readonly),
  rw: off(a.readonly),
  nosuid: on(a.nosuid),
  suid: off(a.nosuid),
  nodev: on(a.nodev),
  dev: off(a.nodev),
  noexec: on(a.noexec),
  exec: off(a.noexec),
  noatime: atime(a.noatime),
  strictatime: atime(a.strictatime),
  relatime: atime(0),
  atime: atime(0),
  norelatime: atime(a.strictatime),
  nostrictatime: atime(0),
  nodiratime: on(a.nodiratime),
  diratime: off(a.nodiratime),
  nosymfollow: on(a.nosymfollow),
  symfollow: off(a.nosymfollow),
};

const propagationWords: Readonly<Record<string, Propagation>> = {
  private: propagation.private,
  rprivate: propagation.private | propagation.recursive,
  slave: propagation.slave,
  rslave: propagation.slave | propagation.recursive,
  shared: propagation.shared,
  rshared: propagation.shared | propagation.recursive,
  unbindable: propagation.unbindable,
  runbindable: propagation.unbindable | propagation.recursive,
};

/** What a file system handles itself; the other half of each pair is the default. */
const superblockWords: ReadonlySet<string> = new Set(["sync", "dirsync", "lazytime", "mand", "iversion"]);
const withoutEffect: ReadonlySet<string> = new Set([
  "async",
  "defaults",
  "loud",
  "noiversion",
  "nolazytime",
  "nomand",
  "silent",
]);
const extensionWords: ReadonlySet<string> = new Set(["tmpcopyup", "notmpcopyup", "copy-symlink", "idmap", "ridmap"]);

/** What a word of rootfsPropagation means; `undefined` for an unknown one. */
export function propagationOf(word: string): Propagation | undefined {
  return lookUp(propagationWords, word);
}

export function readMountOptions(words: readonly string[]): MountOptions {
  let bind: MountOptions["bind"] = "none";
  let remount = false;
  let attributes = off(0);
  let recursiveAttributes = off(0);
  const propagations: Propagation[] = [];
  const parameters: FsParameter[] = [];
  const extensions: string[] = [];
  for (const word of words) {
    const own = lookUp(attributeWords, word);
    const recursive = word.startsWith("r") ? lookUp(attributeWords, word.slice(1)) : undefined;
    const propagated = propagationOf(word);
    if (word === "bind" || word === "rbind") bind = bind === "rbind" ? bind : word;
    else if (word === "remount") remount = true;
    else if (own !== undefined) attributes = merge(attributes, own);
    else if (propagated !== undefined) propagations.push(propagated);
    else if (recursive !== undefined) recursiveAttributes = merge(recursiveAttributes, recursive);
    else if (extensionWords.has(word.split("=")[0] ?? "")) extensions.push(word);
    else if (!withoutEffect.has(word) && word !== "") parameters.push(parameter(word));
  }
  return { bind, remount, attributes, recursiveAttributes, propagation: propagations, parameters, extensions };
}

/** Whether a parameter is one of the generic words that mean nothing for a bind. */
export function isSuperblockWord(word: string): boolean {
  return superblockWords.has(word);
}

/** The words come from the host: `constructor` must not find what every object has. */
function lookUp<T>(table: Readonly<Record<string, T>>, word: string): T | undefined {
  return Object.hasOwn(table, word) ? table[word] : undefined;
}

/** The later word wins: `ro,rw` is writable. */
function merge(before: AttributeChange, next: AttributeChange): AttributeChange {
  return { set: (before.set & ~next.clear) | next.set, clear: (before.clear & ~next.set) | next.clear };
}

function parameter(word: string): FsParameter {
  const equals = word.indexOf("=");
  if (equals < 0) return { key: word, value: undefined };
  return { key: word.slice(0, equals), value: word.slice(equals + 1) };
}
