/**
 * Decides which mounts of a specification need something from the host, and what the guest gets instead. Only plans:
 * `share-container.ts` makes the binds, and the agent mounts the rest.
 */
import type { Bundle } from "../oci/bundle.ts";
import { isBindMount, isReadOnlyMount } from "../oci/mount.ts";
import { copySymlink, isKnownMountOption } from "../oci/mount-options.ts";
import type { OciMount } from "../oci/spec.ts";
import type { Os } from "../sys/os.ts";
import { isSystemError, KumiteError, messageOf } from "../util/errors.ts";
import { isBelow, normalizePath, resolvePath } from "../util/path.ts";
import { type DirectVolume, directVolumeAt } from "./direct-volume.ts";
import { guestDiskNode, type MountedDisk } from "./disk-volumes.ts";
import { emptyDirectory } from "./empty-directory.ts";
import { guestVolume } from "./guest-paths.ts";
import type { GuestStorage } from "./guest-storage.ts";
import { writtenAbove } from "./guest-written.ts";

/** A file or directory of the host that the container sees at one of its mounts. */
export interface Volume {
  /** Index of the mount in the specification. */
  readonly index: number;
  /** Absolute path on the host. */
  readonly source: string;
  readonly kind: "file" | "directory";
  readonly readonly: boolean;
  /** Includes the mounts below the source. */
  readonly recursive: boolean;
  /** A directory above the source to which the guest can already write; default none. */
  readonly beneath?: string;
  /** Options of an overlay that the host mounts; `source` is then only a name. */
  readonly overlay?: string;
}

export interface MountPlan {
  readonly volumes: readonly Volume[];
  /** Block devices of the host whose nodes are mounted. */
  readonly disks: readonly MountedDisk[];
  /** File systems of the guest that the containers of a VM share. */
  readonly storages: readonly GuestStorage[];
  /** The specification's mounts in order, with paths of the guest. */
  readonly guestMounts: readonly OciMount[];
  /** What is omitted or done differently, one sentence each. */
  readonly notes: readonly string[];
}

/** File systems that the guest's kernel provides without anything from the host. */
const guestFileSystems = new Set([
  "cgroup",
  "cgroup2",
  "debugfs",
  "devpts",
  "devtmpfs",
  "hugetlbfs",
  "mqueue",
  "proc",
  "ramfs",
  "securityfs",
  "sysfs",
  "tmpfs",
  "tracefs",
]);

/** Character devices (major 1) that are the same in every kernel, so the guest uses its own. */
const commonDevices: ReadonlyMap<bigint, string> = new Map([
  [0x103n, "/dev/null"],
  [0x105n, "/dev/zero"],
  [0x107n, "/dev/full"],
  [0x108n, "/dev/random"],
  [0x109n, "/dev/urandom"],
]);

const cgroupRoot = "/sys/fs/cgroup";

/** Default size of /dev/shm in bytes, as in other runtimes. */
const defaultShmSize = `${64 * 1024 * 1024}`;

type Placement =
  | { readonly kind: "guest"; readonly mount: OciMount }
  | { readonly kind: "volume"; readonly mount: OciMount; readonly volume: Volume }
  | { readonly kind: "disk"; readonly mount: OciMount; readonly disk: MountedDisk; readonly note?: string }
  | { readonly kind: "storage"; readonly mount: OciMount; readonly storage: GuestStorage }
  | { readonly kind: "left-out"; readonly note: string };

/** What a guest can have besides files. */
export interface MountAbilities {
  /** Block devices of the host can be attached as disks. */
  readonly disks: boolean;
  /** Directories of the host to which the guest can already write (`guestWritten`); default none. */
  readonly guestWritten?: readonly string[];
  /** Guest directory for a pod's emptyDir volumes; default: they stay on the host. */
  readonly emptyDirs?: string | undefined;
}

/**
 * @throws KumiteError `storage/failed` for a missing source, `oci/unsupported` for a mount that a VM cannot have; both
 *   name the key
 */
export async function planMounts(
  os: Os,
  bundle: Bundle,
  containerId: string,
  abilities: MountAbilities,
): Promise<MountPlan> {
  const volumes: Volume[] = [];
  const disks: MountedDisk[] = [];
  const storages: GuestStorage[] = [];
  const guestMounts: OciMount[] = [];
  const notes: string[] = [];
  for (const [index, mount] of (bundle.spec.mounts ?? []).entries()) {
    const placement = await place(os, { bundle, id: containerId, abilities, mount, index });
    if (placement.kind !== "left-out") guestMounts.push(placement.mount);
    if (placement.kind === "volume") volumes.push(placement.volume);
    else if (placement.kind === "disk") disks.push(placement.disk);
    else if (placement.kind === "storage") storages.push(placement.storage);
    if ("note" in placement) notes.push(placement.note);
  }
  return { volumes, disks, storages, guestMounts, notes };
}

/** One mount of a container. */
interface PlannedMount {
  readonly bundle: Bundle;
  /** Of the container. */
  readonly id: string;
  readonly abilities: MountAbilities;
  readonly mount: OciMount;
  readonly index: number;
}

async function place(os: Os, planned: PlannedMount): Promise<Placement> {
  const { bundle, id, abilities, mount, index } = planned;
  const options = mount.options ?? [];
  if (options.includes("remount")) return { kind: "guest", mount };
  if (!isBindMount(mount)) return placeNewMount(bundle, id, mount, index);
  const source = resolvePath(bundle.path, requireSource(bundle, mount, index));
  const destination = normalizePath(`/${mount.destination}`);
  const beneath = writtenAbove(abilities.guestWritten ?? [], source);
  // A link that the guest can write must not decide which other files of the host are shared.
  const link = beneath === undefined && options.includes(copySymlink) ? await linkTextOf(os, source) : undefined;
  if (link !== undefined) return { kind: "guest", mount: { ...mount, type: "bind", source: link } };
  if (isBelow(cgroupRoot, source) && source !== cgroupRoot) return placeHierarchy(mount, source, destination);
  // The guest has its own; the host's would say nothing about the VM.
  if (isBelow("/proc", source) || isBelow("/sys", source)) return { kind: "guest", mount: bindOf(mount, source) };
  const { kind, deviceNumber } = await lookAt(os, bundle, index, source);
  if (destination === "/dev/shm") return placeSharedMemory(os, bundle, mount, index, source);
  // The guest may have created this node itself, for any device of the host.
  if (beneath !== undefined && (kind === "disk" || kind === "device")) throw notTrusted(bundle, index, source, beneath);
  if (kind === "disk" && abilities.disks) {
    const disk: MountedDisk = { index, source, deviceNumber, destination, readOnly: isReadOnlyMount(mount) };
    return { kind: "disk", disk, mount: bindOf(mount, guestDiskNode(id, index)) };
  }
  const common = kind === "device" ? commonDevices.get(deviceNumber) : undefined;
  if (common !== undefined) return { kind: "guest", mount: bindOf(mount, common) };
  if (kind === "device" || kind === "disk") {
    return { kind: "left-out", note: `mount on ${destination} is left out: ${source} is a device of the host` };
  }
  const empty = kind === "directory" ? await emptyDirectory(os, bundle, index, source, abilities) : undefined;
  if (empty !== undefined) return { kind: "storage", storage: empty, mount: bindOf(mount, empty.mountPoint) };
  const direct = kind === "directory" ? await directVolumeAt(os, bundle, index, source) : undefined;
  if (direct !== undefined) return placeDirect(planned, direct);
  const recursive = !options.includes("bind") || options.includes("rbind");
  const volume: Volume = {
    index,
    source,
    kind,
    recursive,
    readonly: isReadOnlyMount(mount),
    ...(beneath === undefined ? {} : { beneath }),
  };
  return { kind: "volume", volume, mount: bindOf(mount, guestVolume(id, index)) };
}

/** The volume's file system is mounted in the guest, because two kernels must not use it. */
function placeDirect(
  { bundle: { configFile }, id, abilities: { disks }, mount, index }: PlannedMount,
  { device, deviceNumber, fstype, options, wantsGroup }: DirectVolume,
): Placement {
  if (!disks) {
    throw new KumiteError("oci/unsupported", `${configFile}: mounts[${index}]: no disk can be added to this VM`, {
      phase: "storage.plan",
      hint: "use a machine_type with PCI for block device volumes",
      data: { file: configFile, key: `mounts[${index}]` },
    });
  }
  const readOnly = options.includes("ro") || isReadOnlyMount(mount);
  const fileSystem = { type: fstype, options: readOnly ? [...new Set([...options, "ro"])] : options };
  const disk: MountedDisk = {
    index,
    source: device,
    deviceNumber,
    destination: mount.destination,
    readOnly,
    fileSystem,
  };
  const note = `the volume on ${mount.destination} keeps its owners: the group that its storage driver asks for is not set`;
  return { kind: "disk", disk, mount: bindOf(mount, guestDiskNode(id, index)), ...(wantsGroup && { note }) };
}

/**
 * A cgroup hierarchy of version 1, or a cgroup in one; the guest has neither. Engines use such a mount to give systemd
 * the hierarchy that it must write to. In the guest the only hierarchy takes its place.
 */
function placeHierarchy(mount: OciMount, source: string, destination: string): Placement {
  if (source !== `${cgroupRoot}/systemd` || destination !== source) {
    return { kind: "left-out", note: `mount on ${destination} is left out: ${source} is a cgroup of the host` };
  }
  const options = (mount.options ?? []).filter((word) => !/^r?bind$/.test(word));
  return { kind: "guest", mount: { destination: cgroupRoot, type: "cgroup", source: "cgroup", options } };
}

function placeNewMount(bundle: Bundle, id: string, mount: OciMount, index: number): Placement {
  const type = mount.type ?? "";
  if (guestFileSystems.has(type)) return { kind: "guest", mount };
  if (type === "overlay") return placeOverlay(id, mount, index);
  if (type === "") throw invalid(bundle, `mounts[${index}].type`, "is missing, and no option makes this a bind mount");
  throw new KumiteError(
    "oci/unsupported",
    `${bundle.configFile}: mounts[${index}].type: ${type} cannot be mounted in a VM`,
    {
      phase: "storage.plan",
      hint: "mount it on the host and give the directory as a bind mount",
      data: { file: bundle.configFile, key: `mounts[${index}].type`, destination: mount.destination },
    },
  );
}

/** The overlay is mounted on the host, where its layers are, because a shared directory cannot be an upper layer. */
function placeOverlay(id: string, mount: OciMount, index: number): Placement {
  const options = mount.options ?? [];
  const layers = options.filter((word) => !isKnownMountOption(word));
  const words = options.filter((word) => isKnownMountOption(word));
  const volume: Volume = {
    index,
    source: mount.source ?? "overlay",
    kind: "directory",
    readonly: isReadOnlyMount(mount),
    recursive: false,
    overlay: layers.join(","),
  };
  return { kind: "volume", volume, mount: bindOf({ ...mount, options: ["bind", ...words] }, guestVolume(id, index)) };
}

/**
 * Shared memory must be a tmpfs of the guest, because two processes could not map a file of a host's tmpfs coherently.
 * Its size is that of the engine's tmpfs. The size of the host's own /dev/shm is ignored, because it says nothing about
 * a container.
 */
async function placeSharedMemory(
  os: Os,
  bundle: Bundle,
  mount: OciMount,
  index: number,
  source: string,
): Promise<Placement> {
  const size = source === "/dev/shm" ? defaultShmSize : await capacityOf(os, bundle, index, source);
  const kept = (mount.options ?? []).filter((option) => !/^r?(bind|private|shared|slave|unbindable)$/.test(option));
  const options = [...new Set([...kept, "nosuid", "noexec", "nodev", "mode=1777", `size=${size}`])];
  return { kind: "guest", mount: { destination: mount.destination, type: "tmpfs", source: "shm", options } };
}

async function capacityOf(os: Os, bundle: Bundle, index: number, source: string): Promise<string> {
  try {
    return `${await os.files.capacityBytes(source)}`;
  } catch (error) {
    if (!isSystemError(error)) throw error;
    throw missing(bundle, `mounts[${index}].source`, source, messageOf(error));
  }
}

/** The same mount with a source in the guest. */
function bindOf(mount: OciMount, source: string): OciMount {
  const options = (mount.options ?? []).filter((word) => word !== copySymlink);
  const isMarked = options.includes("bind") || options.includes("rbind");
  return { ...mount, type: "bind", source, options: isMarked ? options : ["rbind", ...options] };
}

/** `undefined` if the path is no link. */
async function linkTextOf(os: Os, path: string): Promise<string | undefined> {
  const status = await os.files.linkStatus(path).catch(() => undefined);
  return status?.kind === "symlink" ? os.files.readLink(path) : undefined;
}

function requireSource(bundle: Bundle, mount: OciMount, index: number): string {
  if (mount.source === undefined || mount.source === "") {
    throw invalid(bundle, `mounts[${index}].source`, "is missing: a bind mount needs one");
  }
  return mount.source;
}

interface Source {
  readonly kind: "file" | "directory" | "device" | "disk";
  /** The number of a device node; 0 for other files. */
  readonly deviceNumber: bigint;
}

async function lookAt(os: Os, bundle: Bundle, index: number, source: string): Promise<Source> {
  const key = `mounts[${index}].source`;
  try {
    const status = await os.files.status(source);
    if (status === undefined) throw missing(bundle, key, source, "no such file or directory");
    const { kind, deviceNumber } = status;
    if (kind === "character") return { kind: "device", deviceNumber };
    if (kind === "block") return { kind: "disk", deviceNumber };
    return { kind: kind === "directory" ? "directory" : "file", deviceNumber: 0n };
  } catch (error) {
    if (isSystemError(error)) throw missing(bundle, key, source, messageOf(error));
    throw error;
  }
}

function missing(bundle: Bundle, key: string, source: string, why: string): KumiteError {
  return new KumiteError("storage/failed", `${bundle.configFile}: ${key}: ${source} cannot be mounted: ${why}`, {
    phase: "storage.plan",
    hint: "the source of a bind mount must exist on the host",
    data: { file: bundle.configFile, key, source },
  });
}

function notTrusted(bundle: Bundle, index: number, source: string, beneath: string): KumiteError {
  const key = `mounts[${index}].source`;
  return new KumiteError("storage/failed", `${bundle.configFile}: ${key}: ${source} is a device in ${beneath}`, {
    phase: "storage.plan",
    hint: "the guest can write there and may have created the node itself: use the device's path in /dev",
    data: { file: bundle.configFile, key, source },
  });
}

function invalid(bundle: Bundle, key: string, what: string): KumiteError {
  return new KumiteError("oci/spec-invalid", `${bundle.configFile}: ${key} ${what}`, {
    data: { file: bundle.configFile, key },
  });
}
