/** How disks of containers are called, on the host's side and the guest's: by what they are for and whose they are. */
import type { Disk, DiskBus } from "../hypervisor/spec.ts";
import { sha256Hex } from "../util/sha256.ts";

/** Numbers are places in the specification. */
export type DiskRole = "root" | "lower" | "upper" | `mount${number}` | `device${number}`;

/** Unique among the containers of a machine, in the 20 characters that a serial number may have. */
function diskSerial(containerId: string, role: DiskRole): string {
  return `${role}-${sha256Hex(containerId).slice(0, 8)}`;
}

/** As the agent finds it. */
export function guestDiskSource(containerId: string, role: DiskRole): string {
  return `serial:${diskSerial(containerId, role)}`;
}

/** Disks that a template has, in its order: what its kernel has seen of them, the serial numbers above all, is true of its clones. */
export const templateDisks = ["lower", "upper"] as const satisfies readonly DiskRole[];

/** The same storages, where the container's layers are on the disks of a template. */
export function onTemplateDisks<S extends { readonly source: string }>(
  storages: readonly S[],
  containerId: string,
): S[] {
  const sources = new Map(templateDisks.map((role) => [guestDiskSource(containerId, role), `serial:${role}`]));
  return storages.map((storage) => ({ ...storage, source: sources.get(storage.source) ?? storage.source }));
}

/** Of layers, whatever those of the host are on: machines are saved with them. */
export const layerBus: DiskBus = "virtio-blk";

/** What the agent protocol calls disks of a bus. */
export function guestDriver(bus: DiskBus): "blk" | "scsi" {
  return bus === "virtio-scsi" ? "scsi" : "blk";
}

export function diskOf(
  containerId: string,
  role: DiskRole,
  image: Pick<Disk, "path" | "readOnly" | "cache" | "exclusive">,
  bus: DiskBus,
): Disk {
  const serial = diskSerial(containerId, role);
  return { id: serial, serial, bus, ...image };
}
