/**
 * The guest that benchmarks compare with: the product's kernel and early modules, and an /init in C that writes one
 * byte. It contains no late modules, since these are a cost of the product.
 */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ModuleIndex } from "../../src/guest/modules/index-format.ts";
import { cached, contentKey } from "../../tools/engine/cache.ts";
import { run } from "../../tools/engine/run.ts";
import { cpioArchive } from "../../tools/guest/cpio.ts";
import { type KernelInUse, kernelInUse } from "../../tools/guest/kernel-in-use.ts";

export interface FloorGuest {
  readonly vmlinux: string;
  readonly initrd: string;
}

const source = join(import.meta.dirname, "init.c");
const compilerFlags: readonly string[] = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-static", "-s"];

/** What the floor's /init writes when it is up: one byte. */
export const floorMarker = 0x01;

/**
 * Needs no root. /init writes the marker to the first virtio-serial port; with the kernel parameter `FLOOR=console` it
 * writes to the console, and loads no module.
 */
export async function buildFloor(): Promise<FloorGuest> {
  const kernel = await kernelInUse((line) => process.stderr.write(`floor: ${line}\n`));
  const key = contentKey(await readFile(source), await readFile(import.meta.filename), kernel.vmlinux);
  const directory = await cached("floor", key, (target) => make(target, kernel));
  return { vmlinux: kernel.vmlinux, initrd: join(directory, "initrd.img") };
}

async function make(target: string, kernel: KernelInUse): Promise<void> {
  await mkdir(target, { recursive: true });
  const init = join(target, "init");
  await run("musl-gcc", [...compilerFlags, "-o", init, source]);
  const early = namesOf(kernel.index).map((name) => ({ path: `floor/${name}.ko`, file: kernel.moduleFiles.get(name) }));
  const modules = await Promise.all(
    early.map(async ({ path, file }) => {
      if (file === undefined) throw new Error(`the guest kernel lost the module of ${path}`);
      return { kind: "file", path, mode: 0o644, content: await readFile(file) } as const;
    }),
  );
  const list = early.map(({ path }) => `/${path}\n`).join("");
  const archive = cpioArchive([
    { kind: "directory", path: "dev", mode: 0o755 },
    { kind: "character-device", path: "dev/console", mode: 0o600, major: 5, minor: 1 },
    { kind: "directory", path: "floor", mode: 0o755 },
    { kind: "file", path: "init", mode: 0o755, content: await readFile(init) },
    { kind: "file", path: "floor/modules", mode: 0o644, content: Buffer.from(list) },
    ...modules,
  ]);
  await writeFile(join(target, "initrd.img"), archive);
}

/**
 * The floor's VM has PCI: the virtio transport comes first, with its dependencies. A kernel may have any of them built
 * in.
 */
function namesOf({ early, modules }: ModuleIndex): string[] {
  const transport = modules.virtio_pci;
  return [...new Set([...(transport === undefined ? [] : [...transport.needs, "virtio_pci"]), ...early])];
}
