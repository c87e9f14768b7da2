/**
 * Builds the install root: everything that runs, in one flat directory. What has not changed is taken from the cache.
 */
import { mkdir, rm, writeFile } from "node:fs/promises";
import { dirname, isAbsolute, join } from "node:path";
import type { ModuleIndex } from "../src/guest/modules/index-format.ts";
import { shareFiles } from "./documents/share.ts";
import type { EngineModule } from "./engine/bundle.ts";
import { buildExecutable } from "./engine/executable.ts";
import { debianKernel, type GuestKernel } from "./guest/guest-kernel.ts";
import { initramfs } from "./guest/initramfs.ts";
import { type KernelName, kernelInUse } from "./guest/kernel-in-use.ts";
import { libraryTypes } from "./install-root/library-types.ts";
import { commit, type Manifest, productVersion } from "./install-root/manifest.ts";
import { bundleForNode } from "./install-root/node-bundle.ts";
import { measure, type Placed, placeBytes, placeFile } from "./install-root/place.ts";
import { shimCode } from "./install-root/shim-code.ts";
import {
  cacheEntry,
  guestModules,
  hostModules,
  installRoot,
  libraryEntry,
  loaderEntry,
  shareDirectory,
  shimEntry,
  typesDirectory,
} from "./install-root/sources.ts";

type Files = Readonly<Record<string, Placed>>;

async function main(): Promise<void> {
  await mkdir(installRoot, { recursive: true });
  const kumite = await executable("kumite", hostModules);
  const agent = await executable("agent", guestModules);
  const cache = await placeBytes(join(installRoot, "cache.mjs"), await bundleForNode(cacheEntry, "esm"), 0o644);
  const library = await placeBytes(join(installRoot, "library.mjs"), await bundleForNode(libraryEntry, "esm"), 0o644);
  await types();
  const guest = await placeGuests(join(installRoot, "agent"));
  const shim = await placeShim();
  const manifest: Manifest = {
    version: await productVersion(),
    commit: await commit(),
    node: ownNode(),
    kernel: guest.name,
    kernelVersion: guest.release,
    files: { kumite, agent, ...shim, "cache.mjs": cache, "library.mjs": library, ...guest.files },
  };
  const text = `${JSON.stringify(manifest, undefined, 2)}\n`;
  await placeBytes(join(installRoot, "install.json"), Buffer.from(text), 0o644);
  await share(manifest.version);
}

async function placeShim(): Promise<Files> {
  const entry = await bundleForNode(loaderEntry, "cjs");
  const text = await bundleForNode(shimEntry, "cjs");
  const code = await shimCode({ entry, text, node: ownNode(), installRoot, report });
  return {
    "shim.cjs": await placeBytes(join(installRoot, "shim.cjs"), entry, 0o644),
    "shim.js": await placeBytes(join(installRoot, "shim.js"), text, 0o644),
    "shim.cache": await placeBytes(join(installRoot, "shim.cache"), code, 0o644),
  };
}

/** Declarations of the library, for programs in TypeScript. */
async function types(): Promise<void> {
  await rm(typesDirectory, { recursive: true, force: true });
  for (const [name, text] of await libraryTypes(libraryEntry)) {
    const path = join(typesDirectory, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
  }
}

/** Written from scratch, so that no page of a removed verb stays. */
async function share(version: string): Promise<void> {
  await rm(shareDirectory, { recursive: true, force: true });
  for (const [name, text] of shareFiles(version)) {
    const path = join(shareDirectory, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
  }
}

/** The Node that builds is also the one that will run the shim. */
function ownNode(): string {
  if (!isAbsolute(process.execPath)) throw new Error("node does not know its own path: is /proc mounted?");
  return process.execPath;
}

async function executable(name: string, modules: readonly EngineModule[]): Promise<Placed> {
  const output = join(installRoot, name);
  await buildExecutable({ output, modules });
  return measure(output);
}

interface PlacedGuests {
  readonly name: KernelName;
  readonly release: string;
  readonly files: Files;
}

/** The kernel in use, and next to a tuned one Debian's: users with problems can configure the latter. */
async function placeGuests(agent: string): Promise<PlacedGuests> {
  const { name, ...kernel } = await kernelInUse(report);
  const files = await placeGuest(agent, kernel, "vmlinux", "initrd.img", "initrd-full.img");
  const other = ["vmlinux-debian", "initrd-debian.img", "initrd-debian-full.img"] as const;
  if (name === "debian") {
    for (const file of other) await rm(join(installRoot, file), { force: true });
    return { name, release: kernel.index.release, files };
  }
  const debian = await placeGuest(agent, await debianKernel(report), ...other);
  return { name, release: kernel.index.release, files: { ...files, ...debian } };
}

async function placeGuest(
  agent: string,
  { index, fullIndex, moduleFiles, ...kernel }: GuestKernel,
  vmlinux: string,
  initrd: string,
  fullInitrd: string,
): Promise<Files> {
  const archive = (of: ModuleIndex) => initramfs({ init: agent, index: of, moduleFiles });
  return {
    [vmlinux]: await placeFile(join(installRoot, vmlinux), kernel.vmlinux, 0o644),
    [initrd]: await placeBytes(join(installRoot, initrd), await archive(index), 0o644),
    [fullInitrd]: await placeBytes(join(installRoot, fullInitrd), await archive(fullIndex), 0o644),
  };
}

function report(line: string): void {
  process.stderr.write(`build: ${line}\n`);
}

await main().catch((error: unknown) => {
  report(explain(error));
  process.exitCode = 1;
});

function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message}\n  because: ${explain(error.cause)}`;
}
