/** Translates the configuration for `storage/`. */
import { type Config, hypervisorConfigOf } from "../config/config.ts";
import type { SharedDirectory } from "../hypervisor/spec.ts";
import type { Journal } from "../persist/journal.ts";
import type { StorageChoices, StoragePlan } from "../storage/container-storage.ts";
import { sharedTag } from "../storage/guest-paths.ts";
import { guestWritten } from "../storage/guest-written.ts";
import type { ImageCache } from "../storage/rootfs/image-cache.ts";
import type { RootfsWorkshop } from "../storage/rootfs/make-rootfs.ts";
import { diskBusOf } from "../vm/disk-bus.ts";
import { driverFor } from "../vm/driver-for.ts";
import type { Sandbox, SandboxHost, SandboxState } from "./sandbox.ts";

const mebi = 1024 * 1024;

/** What is available to a container that is made now. */
export function storageChoices({
  host: { os, config },
  state,
  containers,
  guestRoot,
}: Pick<Sandbox, "containers" | "guestRoot"> & {
  readonly host: Pick<SandboxHost, "os" | "config">;
  readonly state: Pick<SandboxState, "phase">;
}): StorageChoices {
  const { block } = hypervisorConfigOf(config);
  const { rootfsWrites, rootfsBlockDevices, guestEmptyDirs } = config.runtime;
  const { disks, hotplug } = driverFor(os, config).capabilities;
  const isFirst = state.phase === "empty";
  return {
    writes: rootfsWrites,
    blockDevices: block.disabled ? "never" : rootfsBlockDevices,
    diskBus: () => diskBusOf(config),
    disks: disks.includes("virtio-blk") && (isFirst || hotplug.includes("disk")),
    // A running VM has few free places on its bus, and they are kept for requested disks.
    images: isFirst,
    guestWritten: [...writableMounts(config), ...guestWritten([...containers.values()].map(({ bundle }) => bundle))],
    ...(guestEmptyDirs && { emptyDirs: (own: string) => `${guestRoot ?? own}/local` }),
  };
}

/** Writable bind mounts that every sandbox has. */
function writableMounts({ runtime }: Config): string[] {
  return runtime.sandboxBindMounts.filter(({ readOnly }) => !readOnly).map(({ path }) => path);
}

/** What a VM must have for rarely used kinds of disks. `joins`: other containers may bring such disks later. */
export function rareNeedsOf(
  config: Config,
  { guest }: StoragePlan,
  joins: boolean,
): { readonly scsiController: boolean; readonly rareDrivers: boolean } {
  const named = [...guest.storages.map(({ driver }) => driver), ...guest.devices.map(({ type }) => type)];
  const scsi = hypervisorConfigOf(config).block.driver === "virtio-scsi" && joins;
  const scsiController = scsi || named.includes("scsi");
  return { scsiController, rareDrivers: scsiController || guest.storages.some(({ fstype }) => fstype === "xfs") };
}

export function workshopOf(config: Config, journal: Journal): RootfsWorkshop {
  const { upperDirectory, upperMiB } = config.runtime.rootfsImages;
  return { journal, images: imageCacheOf(config), upperDirectory, upperMiB };
}

export function imageCacheOf({ runtime }: Config): ImageCache {
  const { imageDirectory, imageLimitMiB } = runtime.rootfsImages;
  return { directory: imageDirectory, limitBytes: imageLimitMiB * mebi };
}

/** How the shared tree reaches the guest; `undefined` if the configuration forbids sharing. */
export function sharedTree(config: Config, path: string): SharedDirectory | undefined {
  if (config.hypervisor === "process") return { tag: sharedTag, path };
  const way = hypervisorConfigOf(config).sharing.fileSystem;
  if (way === "none") return undefined;
  return { tag: sharedTag, path, ...(way === "virtio-9p" && { by: "9p" }) };
}
