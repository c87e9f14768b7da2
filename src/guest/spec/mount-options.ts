/**
 * Mount options of the OCI specification, sorted by how the kernel takes them. The words are those of
 * `oci/mount-options.ts`; each must have its meaning here. Pure.
 */
import {
  type MountAttributeWord,
  type MountPropagationWord,
  mountBindWords,
  mountExtensionWords,
  mountPlainWords,
  mountSuperblockWords,
} from "../../oci/mount-options.ts";
import type { AttributeChange, FsParameter, Propagation } from "./plan.ts";

export interface MountOptions {
  readonly bind: "none" | "bind" | "rbind";
  readonly remount: boolean;
  readonly attributes: AttributeChange;
  readonly recursiveAttributes: AttributeChange;
  readonly propagation: readonly Propagation[];
  /** Options for the file system: its own words, and the generic ones that it handles (`sync`, `lazytime` …). */
  readonly parameters: readonly FsParameter[];
  /** Words for something that only the runtime can do, for example `tmpcopyup`. */
  readonly extensions: readonly string[];
}

/** MOUNT_ATTR_* flags of mount_setattr(2). */
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

/** MS_* flags of mount(2) that mount_setattr(2) takes as propagation. */
export const propagation = {
  recursive: 0x4000,
  unbindable: 0x2_0000,
  private: 0x4_0000,
  slave: 0x8_0000,
  shared: 0x10_0000,
} as const;

const a = mountAttribute;
const nothing: AttributeChange = { set: 0, clear: 0 };
const on = (bits: number): AttributeChange => ({ set: bits, clear: 0 });
const off = (bits: number): AttributeChange => ({ set: 0, clear: bits });
/**
 * The modes of access times exclude each other. The kernel requires that the whole field is cleared when one is set.
 */
const atime = (bits: number): AttributeChange => ({ set: bits, clear: a.atimeMask });

/** With an `r` before the name, the word applies to the whole tree. */
const attributeWords: Readonly<Record<MountAttributeWord, AttributeChange>> = {
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

const propagationWords: Readonly<Record<MountPropagationWord, Propagation>> = {
  private: propagation.private,
  rprivate: propagation.private | propagation.recursive,
  slave: propagation.slave,
  rslave: propagation.slave | propagation.recursive,
  shared: propagation.shared,
  rshared: propagation.shared | propagation.recursive,
  unbindable: propagation.unbindable,
  runbindable: propagation.unbindable | propagation.recursive,
};

const superblockWords: ReadonlySet<string> = new Set(mountSuperblockWords);

type Meaning =
  | { readonly kind: "attribute"; readonly change: AttributeChange }
  | { readonly kind: "recursive attribute"; readonly change: AttributeChange }
  | { readonly kind: "propagation"; readonly bits: Propagation }
  | { readonly kind: "bind" | "rbind" | "remount" | "extension" | "nothing" };

/** All words in one table, so each is looked up once. It is a Map because a host may send a word like `constructor`. */
const meanings: ReadonlyMap<string, Meaning> = new Map<string, Meaning>([
  ...Object.entries(attributeWords).map(
    ([word, change]) => [`r${word}`, { kind: "recursive attribute", change }] as const,
  ),
  ...Object.entries(attributeWords).map(([word, change]) => [word, { kind: "attribute", change }] as const),
  ...Object.entries(propagationWords).map(([word, bits]) => [word, { kind: "propagation", bits }] as const),
  ...mountBindWords.map((kind) => [kind, { kind }] as const),
  ...mountExtensionWords.map((word) => [word, { kind: "extension" }] as const),
  ...mountPlainWords.map((word) => [word, { kind: "nothing" }] as const),
]);

/** The meaning of a word of rootfsPropagation; `undefined` for an unknown one. */
export function propagationOf(word: string): Propagation | undefined {
  const meaning = meanings.get(word);
  return meaning?.kind === "propagation" ? meaning.bits : undefined;
}

/** Whether a parameter is one of the generic words that have no effect on a bind. */
export function isSuperblockWord(word: string): boolean {
  return superblockWords.has(word);
}

interface Draft {
  bind: MountOptions["bind"];
  remount: boolean;
  attributes: AttributeChange;
  recursiveAttributes: AttributeChange;
  readonly propagation: Propagation[];
  readonly parameters: FsParameter[];
  readonly extensions: string[];
}

export function readMountOptions(words: readonly string[]): MountOptions {
  const draft: Draft = {
    bind: "none",
    remount: false,
    attributes: nothing,
    recursiveAttributes: nothing,
    propagation: [],
    parameters: [],
    extensions: [],
  };
  for (const word of words) if (word !== "") apply(draft, word);
  return draft;
}

function apply(draft: Draft, word: string): void {
  const equals = word.indexOf("=");
  const meaning = meanings.get(equals < 0 ? word : word.slice(0, equals));
  // A word with a value belongs to the file system: `ro=1` is not `ro`.
  if (meaning === undefined || (equals >= 0 && meaning.kind !== "extension")) {
    // Other runtimes pass all words as one string, which the kernel splits at commas; overlay escapes commas that do
    // not separate.
    const parts = word.includes("\\") ? word.split(/(?<!\\),/) : word.split(",");
    for (const part of parts) if (part !== "") draft.parameters.push(parameter(part, part.indexOf("=")));
    return;
  }
  switch (meaning.kind) {
    case "attribute":
      draft.attributes = merge(draft.attributes, meaning.change);
      return;
    case "recursive attribute":
      draft.recursiveAttributes = merge(draft.recursiveAttributes, meaning.change);
      return;
    case "propagation":
      draft.propagation.push(meaning.bits);
      return;
    case "bind":
      if (draft.bind === "none") draft.bind = "bind";
      return;
    case "rbind":
      draft.bind = "rbind";
      return;
    case "remount":
      draft.remount = true;
      return;
    case "extension":
      draft.extensions.push(word);
      return;
    case "nothing":
      return;
  }
}

/** The later word takes precedence: `ro,rw` is writable. */
function merge(before: AttributeChange, next: AttributeChange): AttributeChange {
  return { set: (before.set & ~next.clear) | next.set, clear: (before.clear & ~next.set) | next.clear };
}

function parameter(word: string, equals: number): FsParameter {
  if (equals < 0) return { key: word, value: undefined };
  return { key: word.slice(0, equals), value: word.slice(equals + 1) };
}
