/**
 * Builds the install root: everything that runs, in one flat directory. What did not change is taken from the cache.
 */
import { mkdir } from "node:fs/promises";
import { join, relative } from "node:path";
import type { EngineModule } from "./engine/bundle.ts";
import { buildExecutable } from "./engine/executable.ts";
import { guestKernel } from "./guest/guest-kernel.ts";
import { initramfs } from "./guest/initramfs.ts";
import { commit, type Manifest, productVersion } from "./install-root/manifest.ts";
import { isFile, measure, type Placed, placeBytes, placeFile } from "./install-root/place.ts";
import { bundleShim } from "./install-root/shim-bundle.ts";
import { guestModules, hostModules, installRoot, repository, shimEntry } from "./install-root/sources.ts";

type Files = Record<string, Placed>;

async function main(): Promise<void> {
  await mkdir(installRoot, { recursive: true });
  const files: Files = {};
  await executable("kumite", hostModules, files);
  await executable("agent", guestModules, files);
  await shim(files);
  const kernelVersion = await guest(files);
  const manifest: Manifest = {
    version: await productVersion(),
    commit: await commit(),
    node: process.execPath,
    kernelVersion,
    files,
  };
  const text = `${JSON.stringify(manifest, undefined, 2)}\n`;
  await placeBytes(join(installRoot, "install.json"), Buffer.from(text), 0o644);
}

async function executable(name: string, modules: readonly EngineModule[], files: Files): Promise<void> {
  const present = await existing(modules);
  if (present.length === 0) return;
  const output = join(installRoot, name);
  await buildExecutable({ output, modules: present });
  files[name] = await measure(output);
}

async function shim(files: Files): Promise<void> {
  const [entry] = await existing([{ name: "shim", entry: shimEntry }]);
  if (entry === undefined) return;
  files["shim.mjs"] = await placeBytes(join(installRoot, "shim.mjs"), await bundleShim(entry.entry), 0o644);
}

async function guest(files: Files): Promise<string> {
  const kernel = await guestKernel(report);
  files.vmlinux = await placeFile(join(installRoot, "vmlinux"), kernel.vmlinux, 0o644);
  const agent = join(installRoot, "agent");
  if (files.agent !== undefined) {
    const archive = await initramfs({ init: agent, index: kernel.index, moduleFiles: kernel.moduleFiles });
    files["initrd.img"] = await placeBytes(join(installRoot, "initrd.img"), archive, 0o644);
  }
  return kernel.index.release;
}

async function existing(modules: readonly EngineModule[]): Promise<EngineModule[]> {
  const present: EngineModule[] = [];
  for (const module of modules) {
    if (await isFile(module.entry)) present.push(module);
    else report(`left out, because it is not there yet: ${relative(repository, module.entry)}`);
  }
  return present;
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
