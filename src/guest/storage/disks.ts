/**
 * Finds disks of the VM by their names in the agent protocol: a position on the PCI bus, the serial number that the
 * host gave them, or the kernel's own name. A disk that was just plugged may not have appeared yet, so this waits.
 * Loaded with the first request that has a disk.
 */
import { major, minor } from "../../sys/linux/device.ts";
import { readdir } from "../../sys/linux/directory.ts";
import { S_IFBLK, S_IFMT, statIfExists } from "../../sys/linux/stat.ts";
import { readFileText, writeKernelFile } from "../../sys/linux/whole-file.ts";
import { isKumiteError, isSystemError, KumiteError } from "../../util/errors.ts";
import { retry } from "../../util/retry.ts";
import type { ModuleLoader } from "../modules/module-loader.ts";
import { type DiskName, readDiskName, serialPrefix } from "./disk-name.ts";

/** A disk of the VM. */
export interface Disk {
  /** Path below /dev. */
  readonly node: string;
  readonly major: number;
  readonly minor: number;
}

const waitMs = 10_000;

/** The protocol's name of the SCSI driver. The guest is not notified of a new SCSI disk and has to scan for it. */
const scsiDriver = "scsi";

/**
 * Resolves when the VM has the disk.
 * @param driver the protocol's name of the driver
 * @throws KumiteError `usage/invalid`; `storage/failed` when the disk does not appear
 */
export async function awaitDisk(
  text: string,
  driver: string,
  modules: ModuleLoader,
  signal: AbortSignal,
): Promise<Disk> {
  const remembered = known.get(text);
  if (remembered !== undefined) return remembered;
  const name = readDiskName(text);
  const isScsi = driver === scsiDriver;
  for (const module of isScsi ? ["virtio_scsi", "sd_mod"] : ["virtio_blk"]) modules.need(module);
  const look = async (): Promise<Disk> => {
    if (isScsi && findDisk(name) === undefined) scanScsi(name);
    const disk = findDisk(name);
    if (disk === undefined) throw new KumiteError("storage/failed", `the VM has no disk ${text}`);
    return disk;
  };
  try {
    return await retry(look, { what: `waiting for disk ${text}`, timeoutMs: waitMs, signal, longestPauseMs: 50 });
  } catch (error) {
    if (!isKumiteError(error, "timeout")) throw error;
    const hint = isScsi && listed(scsiHosts).length === 0 ? { hint: noScsi } : {};
    throw new KumiteError("storage/failed", `the VM has no disk ${text}, even after ${waitMs} ms`, {
      ...hint,
      data: { disks: listed("/sys/block") },
    });
  }
}

/** Disks that existed before the VM was saved, by their names in the protocol. Clones have the same disks. */
const known = new Map<string, Disk>();

/** Reading the serial number of a disk takes the kernel as long as mounting a file system. */
export function rememberDisks(): void {
  for (const block of listed("/sys/block")) {
    const [serial, disk] = [serialOf(`/sys/block/${block}`), diskAt(`/dev/${block}`)];
    if (serial !== undefined && serial !== "" && disk !== undefined) known.set(serialPrefix + serial, disk);
  }
}

function findDisk(name: DiskName): Disk | undefined {
  switch (name.by) {
    case "node":
      return diskAt(name.node);
    case "serial":
      return diskAt(withSerial(name.serial));
    case "scsi":
      return diskAt(onScsi(name.target, name.unit));
    case "pci":
      return diskAt(onBus(name.path));
  }
}

function withSerial(serial: string): string | undefined {
  const block = listed("/sys/block").find((entry) => serialOf(`/sys/block/${entry}`) === serial);
  return block === undefined ? undefined : `/dev/${block}`;
}

/** A SCSI disk has it in VPD page 0x80, after a header of four bytes. */
function serialOf(block: string): string | undefined {
  return contentOf(`${block}/serial`) ?? contentOf(`${block}/device/vpd_pg80`)?.slice(4);
}

const scsiHosts = "/sys/class/scsi_host";
const noScsi = "this guest has no SCSI controller, or its image lacks the driver";

/** Scans only for this disk if its address is known, else for all disks of the first target, where Kumite puts them. */
function scanScsi(name: DiskName): void {
  const place = name.by === "scsi" ? `0 ${name.target} ${name.unit}` : "0 0 -";
  for (const host of listed(scsiHosts)) writeKernelFile(`${scsiHosts}/${host}/scan`, place);
}

function onScsi(target: number, unit: number): string | undefined {
  const device = listed("/sys/bus/scsi/devices").find(
    (name) => /^\d+:0:(\d+:\d+)$/.exec(name)?.[1] === `${target}:${unit}`,
  );
  const [block] = device === undefined ? [] : listed(`/sys/bus/scsi/devices/${device}/block`);
  return block === undefined ? undefined : `/dev/${block}`;
}

/**
 * The devices behind a bridge are directories below the bridge's own. The kernel chooses the bus number in their names.
 */
function onBus(path: readonly string[]): string | undefined {
  let directory = "/sys/devices/pci0000:00";
  for (const slot of path) {
    const entry = listed(directory).find((name) => /^[0-9a-f]{4}:[0-9a-f]{2}:/.test(name) && name.endsWith(`:${slot}`));
    if (entry === undefined) return undefined;
    directory += `/${entry}`;
  }
  const driver = listed(directory).find((name) => /^virtio\d+$/.test(name));
  const [block] = driver === undefined ? [] : listed(`${directory}/${driver}/block`);
  return block === undefined ? undefined : `/dev/${block}`;
}

function diskAt(node: string | undefined): Disk | undefined {
  const status = node === undefined ? undefined : statIfExists(node);
  if (node === undefined || status === undefined || (status.mode & S_IFMT) !== S_IFBLK) return undefined;
  return { node, major: major(status.deviceNumber), minor: minor(status.deviceNumber) };
}

/** Names in a sysfs directory; none if it does not exist. */
function listed(directory: string): string[] {
  try {
    return readdir(directory).map(({ name }) => name);
  } catch (error) {
    if (isSystemError(error, "ENOENT", "ENOTDIR")) return [];
    throw error;
  }
}

function contentOf(file: string): string | undefined {
  try {
    return readFileText(file).trim();
  } catch (error) {
    if (isSystemError(error)) return undefined;
    throw error;
  }
}
