/**
 * The storage of one container, planned before anything is made: root file system, volumes and disks. The parts have
 * files of their own; this file combines them for the code that creates containers.
 */
import type { DiskBus } from "../hypervisor/spec.ts";
import type { Bundle } from "../oci/bundle.ts";
import type { OciMount } from "../oci/spec.ts";
import type { Os } from "../sys/os.ts";
import { guestDriver, layerBus } from "./disk-names.ts";
import { type DiskVolumes, planDiskVolumes } from "./disk-volumes.ts";
import { guestRootfs } from "./guest-paths.ts";
import type { GuestDevice, GuestStorage } from "./guest-storage.ts";
import { type MountPlan, planMounts } from "./mount-plan.ts";
import { chooseRootfs, type RootfsChoices } from "./rootfs/choose-rootfs.ts";
import { guestRootfsOf } from "./rootfs/guest-rootfs.ts";
import { type MadeDisks, makeRootfs, type RootfsWorkshop } from "./rootfs/make-rootfs.ts";
import type { RootfsPlan } from "./rootfs/rootfs-plan.ts";

export interface StorageChoices extends RootfsChoices {
  /**
   * Returns the guest directory for emptyDir volumes, given the path of the container's root; missing: they stay on the
   * host.
   */
  readonly emptyDirs?: (guestRootfs: string) => string;
}

export interface StoragePlan {
  readonly rootfs: RootfsPlan;
  /** The bus of the root's disk, if the root is a disk. */
  readonly rootBus: DiskBus;
  readonly mounts: MountPlan;
  readonly volumes: DiskVolumes;
  /** What the agent and the specification in the guest contain. */
  readonly guest: {
    readonly rootfs: string;
    readonly mounts: readonly OciMount[];
    readonly storages: readonly GuestStorage[];
    readonly devices: readonly GuestDevice[];
  };
  /** What is done differently from what was requested, one sentence each. */
  readonly notes: readonly string[];
}

/**
 * @throws KumiteError `storage/failed` for a source that is missing or unusable; `oci/unsupported`, `oci/spec-invalid`.
 *   All of them name the key.
 */
export async function planStorage(
  os: Os,
  bundle: Bundle,
  containerId: string,
  choices: StorageChoices,
  signal?: AbortSignal,
): Promise<StoragePlan> {
  const { plan, notes } = await chooseRootfs(os, bundle, choices, signal);
  const bus = plan.kind === "disk" ? choices.diskBus() : layerBus;
  const root = guestRootfsOf(containerId, plan, guestRootfs(containerId), guestDriver(bus));
  const mounts = await planMounts(os, bundle, containerId, { ...choices, emptyDirs: choices.emptyDirs?.(root.path) });
  const none: DiskVolumes = { disks: [], storages: [], devices: [] };
  const volumes = choices.disks ? await planDiskVolumes(os, bundle, containerId, mounts.disks, choices.diskBus) : none;
  return {
    rootfs: plan,
    rootBus: bus,
    mounts,
    volumes,
    guest: {
      rootfs: root.path,
      mounts: mounts.guestMounts,
      storages: [...root.storages, ...mounts.storages, ...volumes.storages],
      devices: volumes.devices,
    },
    notes: [...mounts.notes, ...notes],
  };
}

/** Whether the guest needs files of the host. If not, the VM needs no virtiofsd. */
export function sharesFiles({ rootfs, mounts }: Pick<StoragePlan, "rootfs" | "mounts">): boolean {
  if (mounts.volumes.length > 0 || rootfs.kind === "shared") return true;
  return rootfs.kind === "layers" && rootfs.lower.kind === "shared";
}

/** The kind of disks that a container brings: none, an image with an upper layer, or others. */
export function disksOf({ rootfs, volumes }: Pick<StoragePlan, "rootfs" | "volumes">): "none" | "layers" | "others" {
  if (volumes.disks.length > 0 || rootfs.kind === "disk") return "others";
  if (rootfs.kind === "shared") return "none";
  const { lower, upper } = rootfs;
  if (lower.kind === "image" && upper.kind === "disk") return "layers";
  return lower.kind === "shared" && upper.kind === "memory" ? "none" : "others";
}

/** Makes the VM's disks for the container. @throws KumiteError `storage/failed`, `timeout`, `aborted` */
export async function makeDisks(
  os: Os,
  workshop: RootfsWorkshop,
  containerId: string,
  plan: StoragePlan,
  signal: AbortSignal,
): Promise<MadeDisks> {
  const { rootfs, rootBus, volumes } = plan;
  const { disks, ...made } = await makeRootfs(os, workshop, { containerId, plan: rootfs, bus: rootBus }, signal);
  return { disks: [...disks, ...volumes.disks], ...made };
}
