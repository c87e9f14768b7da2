/** The mounts that the agent makes for a root file system. Pure. */
import {
  imageRoot,
  imageStorage,
  lowerPoint,
  overlayStorage,
  upperDiskStorage,
  upperPoint,
} from "../../guest/storage/layers.ts";
import { type DiskRole, guestDiskSource, guestDriver, layerBus } from "../disk-names.ts";
import type { GuestStorage } from "../guest-storage.ts";
import type { DiskSource, LowerLayer, RootfsPlan } from "./rootfs-plan.ts";

export interface GuestRootfs {
  /** Path of the root file system in the guest. */
  readonly path: string;
  /** In the order of mounting. */
  readonly storages: readonly GuestStorage[];
}

type DiskDriver = ReturnType<typeof guestDriver>;

/**
 * @param sharedPath the guest's path of the bundle's directory, if it is shared
 * @param driver of the root's disk, if the root is a disk
 */
export function guestRootfsOf(
  containerId: string,
  plan: RootfsPlan,
  sharedPath: string,
  driver: DiskDriver,
): GuestRootfs {
  // Outside the shared directory, in which the guest cannot create anything.
  const directory = `/run/kata-containers/${containerId}`;
  switch (plan.kind) {
    case "shared":
      return { path: sharedPath, storages: [] };
    case "disk": {
      const mountPoint = `${directory}/root`;
      const options = mountOptions(plan.disk, false);
      const storage = { ...diskStorage(containerId, "root", plan.disk.fstype, options, mountPoint), driver };
      return { path: mountPoint + plan.disk.directory, storages: [storage] };
    }
    case "layers":
      return layered(containerId, directory, plan, sharedPath);
  }
}

function layered(
  id: string,
  directory: string,
  { lower, upper }: Extract<RootfsPlan, { kind: "layers" }>,
  sharedPath: string,
): GuestRootfs {
  const isImage = lower.kind === "image";
  const below = lowerOf(id, lower, directory, sharedPath);
  const overlay = overlayStorage(directory, below.path, isImage);
  const above =
    upper.kind === "memory"
      ? memoryStorage(upperPoint(directory))
      : upperDiskStorage(directory, guestDiskSource(id, "upper"));
  const path = isImage ? `${overlay.mountPoint}/${imageRoot}` : overlay.mountPoint;
  return { path, storages: [...below.storages, above, overlay] };
}

function lowerOf(id: string, lower: LowerLayer, directory: string, sharedPath: string): GuestRootfs {
  const mountPoint = lowerPoint(directory);
  switch (lower.kind) {
    case "shared":
      return { path: sharedPath, storages: [] };
    case "image":
      return { path: mountPoint, storages: [imageStorage(directory, guestDiskSource(id, "lower"))] };
    case "disk": {
      const { disk } = lower;
      const storage = diskStorage(id, "lower", disk.fstype, mountOptions(disk, true), mountPoint);
      return { path: mountPoint + disk.directory, storages: [storage] };
    }
  }
}

/** A journal cannot be replayed on a read-only disk. */
const withoutReplay: Readonly<Record<string, string>> = { ext3: "noload", ext4: "noload", xfs: "norecovery" };

function mountOptions({ fstype }: DiskSource, readOnly: boolean): readonly string[] {
  // Disks made from one image have the same UUID, which is no mistake here.
  const own = fstype === "xfs" ? ["nouuid"] : [];
  if (!readOnly) return own;
  const replay = withoutReplay[fstype];
  return [...own, ...(replay === undefined ? [] : [replay]), "ro"];
}

function diskStorage(
  containerId: string,
  role: DiskRole,
  fstype: string,
  options: readonly string[],
  mountPoint: string,
): GuestStorage {
  return {
    driver: guestDriver(layerBus),
    source: guestDiskSource(containerId, role),
    fstype,
    options: [...options],
    mountPoint,
  };
}

function memoryStorage(mountPoint: string): GuestStorage {
  return { driver: "ephemeral", source: "upper", fstype: "tmpfs", options: ["mode=755"], mountPoint };
}
