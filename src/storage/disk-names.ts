/** Names of the containers' disks on the host and in the guest, made from the disk's role and the container's id. */
import type { Disk, DiskBus } from "../hypervisor/spec.ts";
import { sha256Hex } from "../util/sha256.ts";

/** A number is an index in the specification. */
export type DiskRole = "root" | "lower" | "upper" | `mount${number}` | `device${number}`;

/** Unique among the containers of a VM, and at most 20 characters long, as a serial number must be. */
function diskSerial(containerId: string, role: DiskRole): string {
  return `${role}-${sha256Hex(containerId).slice(0, 8)}`;
}

/** The name by which the agent finds the disk. */
export function guestDiskSource(containerId: string, role: DiskRole): string {
  return `serial:${diskSerial(containerId, role)}`;
}

/**
 * The disks of a template, in order. Clones keep what the template's kernel knows of them, in particular the serial
 * numbers.
 */
export const templateDisks = ["lower", "upper"] as const satisfies readonly DiskRole[];

/** The same storages for a container whose layers are on a template's disks. */
export function onTemplateDisks<S extends { readonly source: string }>(
  storages: readonly S[],
  containerId: string,
): S[] {
  const sources = new Map(templateDisks.map((role) => [guestDiskSource(containerId, role), `serial:${role}`]));
  return storages.map((storage) => ({ ...storage, source: sources.get(storage.source) ?? storage.source }));
}

/** The bus of layers, whatever the bus for disks of the host is, because VMs are saved with them. */
export const layerBus: DiskBus = "virtio-blk";

/** The driver's name in the agent protocol for disks on a bus. */
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
