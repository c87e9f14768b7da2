/**
 * The words of a mount's `options` that the runtime knows, the same as those of mount(8), by kind. What they do is the
 * guest's affair (`guest/spec/mount-options.ts`), which has to have a meaning for each; `features` lists them.
 * Any other word is left to the file system.
 */

/** Flags of a mount. With an `r` before it, each is one for the whole tree. */
export const mountAttributeWords = [
  "ro",
  "rw",
  "nosuid",
  "suid",
  "nodev",
  "dev",
  "noexec",
  "exec",
  "noatime",
  "strictatime",
  "relatime",
  "atime",
  "norelatime",
  "nostrictatime",
  "nodiratime",
  "diratime",
  "nosymfollow",
  "symfollow",
] as const;

export type MountAttributeWord = (typeof mountAttributeWords)[number];

export const mountPropagationWords = [
  "private",
  "rprivate",
  "slave",
  "rslave",
  "shared",
  "rshared",
  "unbindable",
  "runbindable",
] as const;

export type MountPropagationWord = (typeof mountPropagationWords)[number];

/** What kind of mount it is. */
export const mountBindWords = ["bind", "rbind", "remount"] as const;

/** What a file system handles itself; the other half of each pair is the default. */
export const mountSuperblockWords = ["sync", "dirsync", "lazytime", "mand", "iversion"] as const;

/**
 * They ask for what is the case anyway; `copy` and `nocopy` tell podman how to fill a volume, which it has done by then, `acl`
 * and `noacl` are flags of other runtimes that Linux leaves to file systems.
 */
export const mountPlainWords = [
  "acl",
  "async",
  "copy",
  "defaults",
  "loud",
  "noacl",
  "nocopy",
  "noiversion",
  "nolazytime",
  "nomand",
  "silent",
] as const;

/** Of a bind: where its source is a link, the container gets a link with the same text. */
export const copySymlink = "copy-symlink";

/** What only the runtime can do; they may have a value. */
export const mountExtensionWords = ["tmpcopyup", "notmpcopyup", copySymlink, "idmap", "ridmap"] as const;

/** Known in order to be refused with their name. */
const notImplemented: ReadonlySet<string> = new Set(["idmap", "ridmap"]);

/** Whether the runtime knows the word; any other is the file system's. */
export function isKnownMountOption(word: string): boolean {
  return allWords().includes(word);
}

/** Every word that has an effect or asks for what is so anyway, sorted. */
export function supportedMountOptions(): string[] {
  return allWords()
    .filter((word) => !notImplemented.has(word))
    .sort();
}

function allWords(): string[] {
  return [
    ...mountAttributeWords,
    ...mountAttributeWords.map((word) => `r${word}`),
    ...mountPropagationWords,
    ...mountBindWords,
    ...mountSuperblockWords,
    ...mountPlainWords,
    ...mountExtensionWords,
  ];
}
