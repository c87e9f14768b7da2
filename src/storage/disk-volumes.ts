/**
 * Block devices of the host that a container is to have: as a bind mount of their node, or in `linux.devices`. The machine
 * gets each as a disk, and the container sees that with the number it has there. Looks only.
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

/** What a bind mount of a device's node becomes. */
export interface MountedDisk {
  /** Of the mount in the specification. */
  readonly index: number;
  /** Of the node on the host. */
  readonly source: string;
  readonly deviceNumber: bigint;
  readonly destination: string;
  readonly readOnly: boolean;
  /** What is on it is mounted, instead of showing the disk itself. */
  readonly fileSystem?: { readonly type: string; readonly options: readonly string[] };
}

export interface DiskVolumes {
  readonly disks: readonly Disk[];
  readonly storages: readonly GuestStorage[];
  readonly devices: readonly GuestDevice[];
}

/** Where the guest shows a disk whose node is mounted into a container. */
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

/** One disk for each device, however often the container has it: two would not see each other's writes. */
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

  /** What the guest finds it by. */
  add(role: DiskRole, deviceNumber: bigint, path: string, readOnly: boolean, exclusive = false): string {
    const known = this.#known.get(deviceNumber);
    if (known === undefined) {
      const disk = diskOf(this.#containerId, role, { path, readOnly, exclusive }, this.#busOf());
      this.#known.set(deviceNumber, { role, disk });
      return guestDiskSource(this.#containerId, role);
    }
    // Who has it only for reading is held to that in the container.
    if (!readOnly) known.disk = { ...known.disk, readOnly: false };
    if (exclusive) known.disk = { ...known.disk, exclusive };
    return guestDiskSource(this.#containerId, known.role);
  }
}

/**
 * The last rule that allows just this device. Where everything is allowed, as in privileged containers, engines list every
 * device of the host: its disks are nobody's wish.
 */
function ruleFor({ major, minor }: OciDevice, rules: readonly OciDeviceRule[]): OciDeviceRule | undefined {
  return rules.findLast(
    (rule) => rule.allow && rule.type === "b" && rule.major === major && rule.minor === minor && rule.access !== "m",
  );
}

/** Major numbers of floppy and CD-ROM drives of Linux, whose media come and go. */
const removable: ReadonlySet<number> = new Set([2, 11, 15, 16, 17, 18, 20, 23, 24, 25, 26, 27, 28, 29, 32]);

/** On the host: mostly under the same name as in the container, else as the kernel calls it. */
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
