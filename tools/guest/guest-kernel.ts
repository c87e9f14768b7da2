/** Debian's kernel for the guest with its modules, made once per package and recipe, and then taken from the cache. */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { earlyModules, lateModules, rareModules, transportModules } from "../../guest-image/modules.ts";
import type { ModuleIndex } from "../../src/guest/modules/index-format.ts";
import { cached, contentKey } from "../engine/cache.ts";
import { kernelOf } from "./bz-image.ts";
import { chooseKernel, fetchKernel, type KernelPackage, unpackKernel } from "./kernel-package.ts";
import { leanModule } from "./lean-kernel.ts";
import { builtInModules, indexOf, selectModules } from "./module-set.ts";
import { keepStackSegment } from "./stack-segment.ts";
import { loadableKernel } from "./vmlinux.ts";

export interface GuestKernel {
  readonly package: KernelPackage;
  /** Uncompressed ELF with a PVH entry. */
  readonly vmlinux: string;
  readonly index: ModuleIndex;
  /** Index of the larger image, for VMs with SCSI disks and the like. */
  readonly fullIndex: ModuleIndex;
  /** Files for both images. */
  readonly moduleFiles: ReadonlyMap<string, string>;
}

/** Debian's kernel, the default. `report` gets a line for each step that takes time. */
export async function debianKernel(report: (line: string) => void): Promise<GuestKernel> {
  const chosen = await chooseKernel();
  const key = contentKey(chosen.name, chosen.version, ...(await recipe()));
  const directory = await cached("guest-kernel", key, (target) => make(target, chosen, report));
  const read = async (name: string) => JSON.parse(await readFile(join(directory, name), "utf8")) as ModuleIndex;
  const [index, fullIndex] = [await read("index.json"), await read("full-index.json")];
  return {
    package: chosen,
    vmlinux: join(directory, "vmlinux"),
    index,
    fullIndex,
    moduleFiles: new Map(
      Object.keys(fullIndex.modules).map((name) => [name, join(directory, "modules", `${name}.ko`)]),
    ),
  };
}

async function make(target: string, chosen: KernelPackage, report: (line: string) => void): Promise<void> {
  const file = await fetchKernel(chosen, report);
  report(`extracting the kernel and its modules from ${chosen.name} ${chosen.version}`);
  const unpacked = await mkdtemp(join(tmpdir(), "kumite-kernel-"));
  try {
    const files = await unpackKernel(file, unpacked);
    const kernel = await kernelOf(await readFile(files.bzImage));
    if (!keepStackSegment(kernel)) report(`${chosen.name} has an unknown entry from user mode: emulated it is slower`);
    await writeFile(join(target, "vmlinux"), loadableKernel(kernel));
    const wanted = [...transportModules, ...earlyModules, ...lateModules];
    const builtIn = await builtInModules(files.modules);
    const ordinary = await selectModules(files.modules, wanted, builtIn);
    const modules = await selectModules(files.modules, [...wanted, ...rareModules], builtIn);
    await mkdir(join(target, "modules"));
    for (const { info, content } of modules) {
      if (info.release !== files.release)
        throw new Error(`module ${info.name} is of ${info.release}, not ${files.release}`);
      const path = join(target, "modules", `${info.name}.ko`);
      await writeFile(path, leanModule(content, path));
    }
    for (const [name, content] of [
      ["index.json", ordinary],
      ["full-index.json", modules],
    ] as const)
      await writeFile(join(target, name), JSON.stringify(indexOf(content, earlyModules, files.release)));
  } finally {
    await rm(unpacked, { recursive: true, force: true });
  }
}

/** These files determine the result: a changed line makes a new guest. */
export async function recipe(): Promise<string[]> {
  const directories = [import.meta.dirname, resolve(import.meta.dirname, "../../guest-image")];
  const texts: string[] = [];
  for (const directory of directories) {
    for (const name of (await readdir(directory)).sort()) {
      if (name.endsWith(".ts") && !name.endsWith(".test.ts"))
        texts.push(name, await readFile(join(directory, name), "utf8"));
    }
  }
  return texts;
}
