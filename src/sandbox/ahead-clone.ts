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
  readonly layers: PlannedLayers | undefined;
}

interface PlannedLayers {
  readonly emptyUpper: string;
  /** Still being searched. `undefined` if the image does not exist yet. */
  readonly lower: Promise<ReadyImage | undefined>;
}

interface CloneWish {
  readonly config: Config;
  readonly cloning: Extract<Cloning, { readonly kind: "possible" }>;
  readonly plan: StoragePlan;
}

/**
 * `undefined` if something has to be made first. Resolves when the template is known, while the image is still being
 * searched, which takes longest.
 *
 * @throws KumiteError if it cannot be determined
 */
export async function planAheadClone(
  os: Os,
  { config, cloning: { shape, scope }, plan: { rootfs } }: CloneWish,
  signal: AbortSignal,
): Promise<AheadClone | undefined> {
  if (shape === "directory") {
    const choice = await presentTemplate(os, { config, shape, scope });
    return choice && { choice, layers: undefined };
  }
  if (rootfs.kind !== "layers" || rootfs.lower.kind !== "image" || rootfs.upper.kind !== "disk") return undefined;
  const lower = findImage(os, config, rootfs.lower.directory, signal);
  // Awaited later, if at all.
  lower.catch(() => {});
  const choice = await presentTemplate(os, { config, shape, scope });
  if (choice?.emptyUpper === undefined) return undefined;
  return { choice, layers: { emptyUpper: choice.emptyUpper, lower } };
}

async function findImage(
  os: Os,
  config: Config,
  directory: string,
  signal: AbortSignal,
): Promise<ReadyImage | undefined> {
  const path = await presentImage(os, imageCacheOf(config), directory, signal);
  return path === undefined ? undefined : { directory, path };
}

export interface ClonePlace {
  readonly config: Config;
  readonly journal: Journal;
  readonly paths: SandboxPaths;
  readonly plan: StoragePlan;
  readonly setting: Omit<CloneSetting, "disks">;
}

/**
 * Makes the disks while the shared tree is being made, and writes down for the shim which disks these are. Resolves
 * with no programs if the image does not exist yet.
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
  if (disks === undefined) return [];
  const request = cloneRequest(config, choice.template.shape, { ...setting, disks }, choice.template);
  return (await vmPrograms(os, config, request, signal)) ?? [];
}

const noDisks: Promise<readonly Disk[]> = Promise.resolve([]);

async function makeLayers(
  os: Os,
  { config, journal, paths, plan, setting }: ClonePlace,
  { template }: ChosenTemplate,
  { emptyUpper, lower: finding }: PlannedLayers,
  signal: AbortSignal,
): Promise<readonly Disk[] | undefined> {
  const workshop = workshopOf(config, journal);
  const upper = await newUpperFile(os, workshop);
  const [lower] = await together(finding, copySparse(os, emptyUpper, upper, signal));
  if (lower === undefined) {
    await os.files.removeFile(upper);
    return undefined;
  }
  const ready = { ...workshop, readyUpper: upper, readyLower: lower };
  const { disks } = await makeDisks(os, ready, setting.id, plan, signal);
  await tellOfLayers(os, paths, { keeper: template.keeper, upper, lower });
  return disks;
}
