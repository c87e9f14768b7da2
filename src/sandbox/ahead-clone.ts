/**
 * Prepares a clone that is started next to its shim, from a template and an image that exist already and a copy of the
 * template's empty upper layer. Anything that does not exist yet is made by the shim, which has the time to wait for
 * it.
 */
import type { Config } from "../config/config.ts";
import { type ChosenTemplate, presentTemplate } from "../factory/choose-template.ts";
import { type CloneSetting, cloneRequest } from "../factory/machine-shape.ts";
import type { DriverProgram } from "../hypervisor/driver.ts";
import type { Disk } from "../hypervisor/spec.ts";
import type { Journal } from "../persist/journal.ts";
import type { SandboxPaths } from "../persist/paths.ts";
import { makeDisks, type StoragePlan } from "../storage/container-storage.ts";
import { copySparse } from "../storage/copy-file.ts";
import { presentImage } from "../storage/rootfs/image-cache.ts";
import { newUpperFile, type ReadyImage } from "../storage/rootfs/make-rootfs.ts";
import type { Os } from "../sys/os.ts";
import { together } from "../util/together.ts";
import { vmPrograms } from "../vm/vm-programs.ts";
import { tellOfLayers } from "./ahead-layers.ts";
import type { Cloning } from "./cloning.ts";
import { imageCacheOf, workshopOf } from "./storage-choices.ts";

export interface AheadClone {
  readonly choice: ChosenTemplate;
  /** The files behind the VM's disks, for shapes that have disks. */
  readonly layers: { readonly emptyUpper: string; readonly lower: ReadyImage } | undefined;
}

interface CloneWish {
  readonly config: Config;
  readonly cloning: Extract<Cloning, { readonly kind: "possible" }>;
  readonly plan: StoragePlan;
}

/** `undefined` if something has to be made first. @throws KumiteError if it cannot be determined */
export async function planAheadClone(
  os: Os,
  { config, cloning: { shape, scope }, plan: { rootfs } }: CloneWish,
  signal: AbortSignal,
): Promise<AheadClone | undefined> {
  const choosing = presentTemplate(os, { config, shape, scope });
  if (shape === "directory") {
    const choice = await choosing;
    return choice && { choice, layers: undefined };
  }
  if (rootfs.kind !== "layers" || rootfs.lower.kind !== "image" || rootfs.upper.kind !== "disk") {
    choosing.catch(() => {});
    return undefined;
  }
  const { directory } = rootfs.lower;
  const finding = presentImage(os, imageCacheOf(config), directory, signal);
  const [choice, path] = await together(choosing, finding);
  if (choice?.emptyUpper === undefined || path === undefined) return undefined;
  return { choice, layers: { emptyUpper: choice.emptyUpper, lower: { directory, path } } };
}

export interface ClonePlace {
  readonly config: Config;
  readonly journal: Journal;
  readonly paths: SandboxPaths;
  readonly plan: StoragePlan;
  readonly setting: Omit<CloneSetting, "disks">;
}

/**
 * Makes the disks while the shared tree is being made, and writes down for the shim which disks these are.
 *
 * @throws KumiteError; what exists by then is in the journal
 */
export async function makeAheadClone(
  os: Os,
  place: ClonePlace,
  { choice, layers }: AheadClone,
  tree: Promise<void>,
  signal: AbortSignal,
): Promise<readonly DriverProgram[]> {
  const { config, setting } = place;
  const making = layers === undefined ? noDisks : makeLayers(os, place, choice, layers, signal);
  const [disks] = await together(making, tree);
  const request = cloneRequest(config, choice.template.shape, { ...setting, disks }, choice.template);
  return (await vmPrograms(os, config, request, signal)) ?? [];
}

const noDisks: Promise<readonly Disk[]> = Promise.resolve([]);

async function makeLayers(
  os: Os,
  { config, journal, paths, plan, setting }: ClonePlace,
  { template }: ChosenTemplate,
  { emptyUpper, lower }: NonNullable<AheadClone["layers"]>,
  signal: AbortSignal,
): Promise<readonly Disk[]> {
  const workshop = workshopOf(config, journal);
  const upper = await newUpperFile(os, workshop);
  await copySparse(os, emptyUpper, upper, signal);
  const ready = { ...workshop, readyUpper: upper, readyLower: lower };
  const { disks } = await makeDisks(os, ready, setting.id, plan, signal);
  await tellOfLayers(os, paths, { keeper: template.keeper, upper, lower });
  return disks;
}
