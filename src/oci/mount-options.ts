/**
 * The words of a mount's `options` that the runtime knows, by kind; the same as those of mount(8). The guest implements
 * them (`guest/spec/mount-options.ts`) and needs a meaning for each; `features` lists them. Any other word is passed to
 * the file system.
 */

/** Flags of a mount. With the prefix `r` they apply to the whole tree. */
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

/** The kind of mount. */
export const mountBindWords = ["bind", "rbind", "remount"] as const;

/** Options that the kernel handles per file system; the opposite of each is the default. */
export const mountSuperblockWords = ["sync", "dirsync", "lazytime", "mand", "iversion"] as const;

/**
 * Words that ask for what is the case anyway. `copy` and `nocopy` tell podman how to fill a volume, which it has done
 * already. `acl` and `noacl` are flags of other runtimes that Linux leaves to file systems.
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

/** For a bind whose source is a symbolic link: the container gets a link with the same text. */
export const copySymlink = "copy-symlink";

/** Words that only the runtime can implement; they may have a value. */
export const mountExtensionWords = ["tmpcopyup", "notmpcopyup", copySymlink, "idmap", "ridmap"] as const;

/** Known, so that they are refused by name. */
const notImplemented: ReadonlySet<string> = new Set(["idmap", "ridmap"]);

/** Whether the runtime knows the word. Other words are passed to the file system. */
export function isKnownMountOption(word: string): boolean {
  return allWords().includes(word);
}

/** Every word that has an effect or asks for what is the case anyway, sorted. */
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
