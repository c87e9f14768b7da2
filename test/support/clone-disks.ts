/** Disks for a clone without a container: like those that a container's would be. */
import { truncateSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { TemplateChoice } from "../../src/factory/choose-template.ts";
import { placeholders } from "../../src/factory/machine-shape.ts";
import type { Disk } from "../../src/hypervisor/spec.ts";
import { copySparse } from "../../src/storage/copy-file.ts";
import { layerDiskBytes } from "../../src/storage/rootfs/image-cache.ts";
import type { Os } from "../../src/sys/os.ts";

/** Made in a directory that is removed with the VM. */
export async function cloneDisks(os: Os, directory: string, choice: TemplateChoice): Promise<Disk[]> {
  if (choice.kind !== "template" || choice.emptyUpper === undefined) return [];
  const [lower, upper] = [path.join(directory, "lower"), path.join(directory, "upper")];
  writeFileSync(lower, "");
  truncateSync(lower, layerDiskBytes);
  await copySparse(os, choice.emptyUpper, upper, new AbortController().signal);
  return placeholders({ lower, upper });
}
