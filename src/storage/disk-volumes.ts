/**
 * Block devices of the host for a container, given as a bind mount of a device node or in `linux.devices`. The VM gets
 * each as a disk, and the container sees that disk under the guest's device number. Changes nothing.
 */
import type { Disk, DiskBus } from "../hypervisor/spec.ts";
import type { Bundle } from "../oci/bundle.ts";
import type { OciLinux, OciResources } from "../oci/spec.ts";
import type { Os } from "../sys/os.ts";
import { isSystemError } from "../util/errors.ts";
import { numbersOf } from "./device-numbers.ts";
import { type DiskRole, diskOf, guestDiskSource, guestDriver } from "./disk-names.ts";
import type { GuestDevice, GuestStorage } from "./guest-storage.ts";

type OciDevice = NonNullable<OciLinux["devices"]>[number];
type OciDeviceRule = NonNullable<OciResources["devices"]>[number];

/** A bind mount of a block device's node. */
export interface MountedDisk {
  /** Index of the mount in the specification. */
  readonly index: number;
  /** Path of the node on the host. */
  readonly source: string;
  readonly deviceNumber: bigint;
  readonly destination: string;
  readonly readOnly: boolean;
  /** If set, the disk's file system is mounted instead of the node. */
  readonly fileSystem?: { readonly type: string; readonly options: readonly string[] };
}

export interface DiskVolumes {
  readonly disks: readonly Disk[];
  readonly storages: readonly GuestStorage[];
  readonly devices: readonly GuestDevice[];
}

/** Where the guest has the disk of a bind mount, as a node or mounted. */
export function guestDiskNode(containerId: string, index: number): string {
  return `/run/kata-containers/sandbox/storage/${containerId}-mount${index}`;
}

export async function planDiskVolumes(
  os: Os,
  { spec }: Bundle,
  containerId: string,
  mounted: readonly MountedDisk[],
  busOf: () => DiskBus,
): Promise<DiskVolumes> {
  const table = new DiskTable(containerId, busOf);
  const storages: GuestStorage[] = [];
  const devices: GuestDevice[] = [];
  for (const { index, source, deviceNumber, destination, readOnly, fileSystem } of mounted) {
    const id = table.add(`mount${index}`, deviceNumber, source, readOnly, fileSystem !== undefined);
    const driver = guestDriver(busOf());
    const { type, options } = fileSystem ?? { type: "bind", options: [] };
    const mountPoint = guestDiskNode(containerId, index);
    storages.push({ driver, source: id, fstype: type, options: [...options], mountPoint });
    if (fileSystem !== undefined) continue;
    devices.push({ id, type: driver, containerPath: destination, options: ["kumite.mounted"] });
  }
  const rules = spec.linux.resources?.devices ?? [];
  for (const [index, device] of (spec.linux.devices ?? []).entries()) {
    const isDisk = device.type === "b" && !removable.has(device.major ?? 0);
    const rule = isDisk ? ruleFor(device, rules) : undefined;
    const node = rule === undefined ? undefined : await nodeOf(os, device);
    if (rule === undefined || node === undefined) continue;
    const readOnly = !(rule.access ?? "").includes("w");
    const id = table.add(`device${index}`, node.deviceNumber, node.path, readOnly);
    devices.push({ id, type: guestDriver(busOf()), containerPath: device.path, options: [] });
  }
  return { disks: table.disks, storages, devices };
}

/** One disk per device, however often the container uses it: two disks would not see each other's writes. */
class DiskTable {
  readonly #containerId: string;
  readonly #busOf: () => DiskBus;
  readonly #known = new Map<bigint, { readonly role: DiskRole; disk: Disk }>();

  constructor(containerId: string, busOf: () => DiskBus) {
    this.#containerId = containerId;
    this.#busOf = busOf;
  }

  get disks(): Disk[] {
    return [...this.#known.values()].map(({ disk }) => disk);
  }

  /** Returns the name by which the guest finds the disk. */
  add(role: DiskRole, deviceNumber: bigint, path: string, readOnly: boolean, exclusive = false): string {
    const known = this.#known.get(deviceNumber);
    if (known === undefined) {
      const disk = diskOf(this.#containerId, role, { path, readOnly, exclusive }, this.#busOf());
      this.#known.set(deviceNumber, { role, disk });
      return guestDiskSource(this.#containerId, role);
    }
    // A use that is read-only is enforced inside the container.
    if (!readOnly) known.disk = { ...known.disk, readOnly: false };
    if (exclusive) known.disk = { ...known.disk, exclusive };
    return guestDiskSource(this.#containerId, known.role);
  }
}

/**
 * The last rule that allows exactly this device. A rule that allows everything does not count: engines then list every
 * device of the host, as in privileged containers, and nobody asked for those disks.
 */
function ruleFor({ major, minor }: OciDevice, rules: readonly OciDeviceRule[]): OciDeviceRule | undefined {
  return rules.findLast(
    (rule) => rule.allow && rule.type === "b" && rule.major === major && rule.minor === minor && rule.access !== "m",
  );
}

/** Major numbers of floppy and CD-ROM drives, whose media are removable. */
const removable: ReadonlySet<number> = new Set([2, 11, 15, 16, 17, 18, 20, 23, 24, 25, 26, 27, 28, 29, 32]);

/**
 * The device's node on the host: usually under the same path as in the container, otherwise under the kernel's name.
 */
async function nodeOf(
  os: Os,
  { path, major, minor }: OciDevice,
): Promise<{ readonly path: string; readonly deviceNumber: bigint } | undefined> {
  for (const candidate of [path, await kernelName(os, `${major}:${minor}`)]) {
    const status = candidate === undefined ? undefined : await os.files.status(candidate).catch(() => undefined);
    if (candidate === undefined || status?.kind !== "block") continue;
    const numbers = numbersOf(status.deviceNumber);
    if (numbers.major === major && numbers.minor === minor) {
      return { path: candidate, deviceNumber: status.deviceNumber };
    }
  }
  return undefined;
}

async function kernelName(os: Os, number: string): Promise<string | undefined> {
  try {
    const text = await os.files.readText(`/sys/dev/block/${number}/uevent`);
    const name = /^DEVNAME=(.+)$/m.exec(text)?.[1];
    return name === undefined ? undefined : `/dev/${name}`;
  } catch (error) {
    if (isSystemError(error)) return undefined;
    throw error;
  }
}
