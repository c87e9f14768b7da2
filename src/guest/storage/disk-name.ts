/** How the agent protocol names disks. Pure. */
import { KumiteError } from "../../util/errors.ts";

/** The host's name of a disk. */
export type DiskName =
  /** Slots and functions from the root bus down, each in the form of a sysfs name's end: `02.0`. */
  | { readonly by: "pci"; readonly path: readonly string[] }
  | { readonly by: "serial"; readonly serial: string }
  /** On the first SCSI controller. */
  | { readonly by: "scsi"; readonly target: number; readonly unit: number }
  | { readonly by: "node"; readonly node: string };

export const serialPrefix = "serial:";

/** @throws KumiteError `usage/invalid` */
export function readDiskName(text: string): DiskName {
  if (/^\/dev\/[A-Za-z0-9_-]+$/.test(text)) return { by: "node", node: text };
  // QEMU and the kernel limit serial numbers to this.
  const serial = text.startsWith(serialPrefix) ? text.slice(serialPrefix.length) : "";
  if (/^[A-Za-z0-9_.-]{1,20}$/.test(serial)) return { by: "serial", serial };
  const scsi = /^(\d{1,3}):(\d{1,5})$/.exec(text);
  if (scsi !== null) return { by: "scsi", target: Number(scsi[1]), unit: Number(scsi[2]) };
  const path = text.split("/").map(readSlot);
  if (path.every((slot) => slot !== undefined)) return { by: "pci", path };
  throw new KumiteError("usage/invalid", `${JSON.stringify(text.slice(0, 100))} is not the name of a disk`, {
    hint: "name a disk by its PCI path such as 02/03, by serial:NUMBER, by TARGET:UNIT or by a path in /dev",
  });
}

/** `02` or `02.1`, hexadecimal. PCI has 32 slots with 8 functions each. */
function readSlot(text: string): string | undefined {
  const match = /^([01]?[0-9a-f])(?:\.([0-7]))?$/.exec(text);
  return match === null ? undefined : `${(match[1] ?? "").padStart(2, "0")}.${match[2] ?? "0"}`;
}
