/**
 * Builds the install root: everything that runs, in one flat directory. What did not change is taken from the cache.
 */
import { mkdir, rm, writeFile } from "node:fs/promises";
import { dirname, isAbsolute, join } from "node:path";
import { shareFiles } from "./documents/share.ts";
import type { EngineModule } from "./engine/bundle.ts";
import { buildExecutable } from "./engine/executable.ts";
import { guestKernel } from "./guest/guest-kernel.ts";
import { initramfs } from "./guest/initramfs.ts";
import { commit, type Manifest, productVersion } from "./install-root/manifest.ts";
import { measure, type Placed, placeBytes, placeFile } from "./install-root/place.ts";
import { bundleShim } from "./install-root/shim-bundle.ts";
import { guestModules, hostModules, installRoot, shareDirectory, shimEntry } from "./install-root/sources.ts";

type Files = Readonly<Record<string, Placed>>;

async function main(): Promise<void> {
  await mkdir(installRoot, { recursive: true });
  const kumite = await executable("kumite", hostModules);
  const agent = await executable("agent", guestModules);
  const shim = await placeBytes(join(installRoot, "shim.mjs"), await bundleShim(shimEntry), 0o644);
  const { release, files } = await guest(join(installRoot, "agent"));
  const manifest: Manifest = {
    version: await productVersion(),
    commit: await commit(),
    node: ownNode(),
    kernelVersion: release,
    files: { kumite, agent, "shim.mjs": shim, ...files },
  };
  const text = `${JSON.stringify(manifest, undefined, 2)}\n`;
  await placeBytes(join(installRoot, "install.json"), Buffer.from(text), 0o644);
  await share(manifest.version);
}

/** Made anew, so that no page of a verb stays that is gone. */
async function share(version: string): Promise<void> {
  await rm(shareDirectory, { recursive: true, force: true });
  for (const [name, text] of shareFiles(version)) {
    const path = join(shareDirectory, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
  }
}

/** The Node that builds is the one that will run the shim. */
function ownNode(): string {
  if (!isAbsolute(process.execPath)) throw new Error("node does not know its own path: is /proc mounted?");
  return process.execPath;
}

async function executable(name: string, modules: readonly EngineModule[]): Promise<Placed> {
  const output = join(installRoot, name);
  await buildExecutable({ output, modules });
  return measure(output);
}

async function guest(agent: string): Promise<{ readonly release: string; readonly files: Files }> {
  const kernel = await guestKernel(report);
  const archive = await initramfs({ init: agent, index: kernel.index, moduleFiles: kernel.moduleFiles });
  return {
    release: kernel.index.release,
    files: {
      vmlinux: await placeFile(join(installRoot, "vmlinux"), kernel.vmlinux, 0o644),
      "initrd.img": await placeBytes(join(installRoot, "initrd.img"), archive, 0o644),
    },
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
