/** The mounts that the agent makes for a root file system. Pure. */
import { type DiskRole, guestDiskSource, guestDriver, layerBus } from "../disk-names.ts";
import type { GuestStorage } from "../guest-storage.ts";
import type { DiskSource, LowerLayer, RootfsPlan } from "./rootfs-plan.ts";
import { upperMountOptions } from "./upper-disk.ts";

export interface GuestRootfs {
  /** Path of the root file system in the guest. */
  readonly path: string;
  /** In the order of mounting. */
  readonly storages: readonly GuestStorage[];
}

type DiskDriver = ReturnType<typeof guestDriver>;

const createDirectory = "io.katacontainers.volume.overlayfs.create_directory=";
/**
 * With these options a directory can be renamed, and a change of owner or mode copies no content. `volatile` skips
 * flushes to the upper layer, which does not outlive the VM.
 */
const overlayOptions = ["index=on", "metacopy=on", "redirect_dir=on", "volatile"];

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
  const [lowerPoint, upperPoint, path] = [`${directory}/lower`, `${directory}/upper`, `${directory}/rootfs`];
  const [upperdir, workdir] = [`${upperPoint}/layer`, `${upperPoint}/work`];
  const below = lowerOf(id, lower, lowerPoint, sharedPath);
  const overlay: GuestStorage = {
    driver: "overlayfs",
    source: "overlay",
    fstype: "overlay",
    options: [`lowerdir=${below.path}`, `upperdir=${upperdir}`, `workdir=${workdir}`, ...overlayOptions],
    mountPoint: path,
    driverOptions: [upperdir, workdir].map((made) => createDirectory + made),
  };
  const above =
    upper.kind === "memory"
      ? memoryStorage(upperPoint)
      : diskStorage(id, "upper", "ext4", upperMountOptions, upperPoint);
  return { path, storages: [...below.storages, above, overlay] };
}

function lowerOf(id: string, lower: LowerLayer, mountPoint: string, sharedPath: string): GuestRootfs {
  switch (lower.kind) {
    case "shared":
      return { path: sharedPath, storages: [] };
    case "image":
      return { path: mountPoint, storages: [diskStorage(id, "lower", "erofs", ["ro"], mountPoint)] };
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
