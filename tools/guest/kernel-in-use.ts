/**
 * Which kernel this tree's guest uses: Debian's, unless the tuned one was selected for the tree. The selection is a
 * file in the build directory, so the cache alone, which another tree may have filled, changes nothing.
 */
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { repository } from "../install-root/sources.ts";
import { debianKernel, type GuestKernel } from "./guest-kernel.ts";
import { builtTunedKernel } from "./tuned-kernel.ts";

export const kernelNames = ["debian", "tuned"] as const;
export type KernelName = (typeof kernelNames)[number];

/** Also part of the stamp of tools/setup.sh. */
const choiceFile = join(repository, "build/guest-kernel");

async function chosenKernel(): Promise<KernelName> {
  const text = await readFile(choiceFile, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "debian";
    throw error;
  });
  const name = kernelNames.find((known) => known === text.trim());
  if (name === undefined) throw new Error(`${choiceFile} names no kernel: remove it, or run npm run guest:kernel`);
  return name;
}

export async function chooseKernelOfTree(name: KernelName): Promise<void> {
  if (name === "debian") return rm(choiceFile, { force: true });
  await mkdir(dirname(choiceFile), { recursive: true });
  await writeFile(choiceFile, `${name}\n`);
}

export interface KernelInUse extends GuestKernel {
  readonly name: KernelName;
}

/** Never compiles: a missing tuned kernel is reported, and Debian's is used until the tuned one is built. */
export async function kernelInUse(report: (line: string) => void): Promise<KernelInUse> {
  if ((await chosenKernel()) === "tuned") {
    const tuned = await builtTunedKernel();
    if (tuned !== undefined) return { name: "tuned", ...tuned };
    report("the tuned kernel is not built for this source: Debian's is used; `npm run guest:kernel` builds it");
  }
  return { name: "debian", ...(await debianKernel(report)) };
}
