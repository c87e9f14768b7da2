/** The guest's initial root file system: the agent, its kernel modules, and the directories that it mounts over. */
import { readFile } from "node:fs/promises";
import { type ModuleIndex, moduleIndexPath } from "../../src/guest/modules/index-format.ts";
import { type CpioEntry, cpioArchive } from "./cpio.ts";

export interface InitramfsContent {
  /** Path of the static executable that becomes `/init`. */
  readonly init: string;
  readonly index: ModuleIndex;
  /** Path on the build host of each module in the index. */
  readonly moduleFiles: ReadonlyMap<string, string>;
}

/**
 * Uncompressed, because under emulation the guest copies faster than it decompresses. For a kernel without modules
 * there is no index: reading it would be a tenth of what the agent does before it answers.
 */
export async function initramfs(content: InitramfsContent): Promise<Uint8Array> {
  const modules = await Promise.all(
    Object.entries(content.index.modules).map(async ([name, { file }]): Promise<CpioEntry> => {
      const source = content.moduleFiles.get(name);
      if (source === undefined) throw new Error(`the index names ${name}, but there is no such module`);
      return { kind: "file", path: file.slice(1), mode: 0o644, content: await readFile(source) };
    }),
  );
  const index = modules.length === 0 ? [] : [indexEntry(content.index)];
  return cpioArchive([
    ...skeleton,
    { kind: "file", path: "init", mode: 0o755, content: await readFile(content.init) },
    ...index,
    ...modules,
  ]);
}

function indexEntry(index: ModuleIndex): CpioEntry {
  return { kind: "file", path: moduleIndexPath.slice(1), mode: 0o644, content: Buffer.from(JSON.stringify(index)) };
}

const directory = (path: string, mode = 0o755): CpioEntry => ({ kind: "directory", path, mode });

const skeleton: readonly CpioEntry[] = [
  directory("dev"),
  // The kernel opens this as standard input and output of /init, before anything can be mounted on /dev.
  { kind: "character-device", path: "dev/console", mode: 0o600, major: 5, minor: 1 },
  directory("proc"),
  directory("sys"),
  directory("run"),
  directory("tmp", 0o1777),
  directory("mnt"),
  directory("lib"),
  directory("lib/modules"),
];
