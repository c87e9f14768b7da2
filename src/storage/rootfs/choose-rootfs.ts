/**
 * Decides how a container gets its root file system: from what the bundle has, what the configuration says, and what the
 * bundle's own annotation wants. Looks only; nothing is made.
 */
import type { DiskBus } from "../../hypervisor/spec.ts";
import type { Bundle } from "../../oci/bundle.ts";
import { rootfsAnnotation } from "../../oci/rootfs-annotation.ts";
import type { Os } from "../../sys/os.ts";
import { KumiteError } from "../../util/errors.ts";
import { findTool } from "../../util/find-tool.ts";
import { isBelow } from "../../util/path.ts";
import { type BlockDeviceUse, fileSystemOn, mountedDevice } from "./block-device.ts";
import type { DiskSource, RootfsPlan } from "./rootfs-plan.ts";

/** Where what a container writes to its root file system is. */
export type RootfsWrites = "host" | "guest";

export interface RootfsChoices {
  readonly writes: RootfsWrites;
  readonly blockDevices: BlockDeviceUse;
  /** The machine can have disks for the container. */
  readonly disks: boolean;
  /**
   * What those of the host are on.
   * @throws KumiteError `hypervisor/unsupported` where the configuration asks for what the machine has not
   */
  readonly diskBus: () => DiskBus;
  /** What is written may be kept from the host by an image and a layer, which take two of them. */
  readonly images: boolean;
  /** Directories of the host that the guest writes to already; default none. */
  readonly guestWritten?: readonly string[];
}

/** What the annotation may say. */
const ways = ["shared", "image", "layers"] as const;
type Way = (typeof ways)[number];

export interface RootfsChoice {
  readonly plan: RootfsPlan;
  /** What is done otherwise than one would think; one sentence each. */
  readonly notes: readonly string[];
}

/** @throws KumiteError `oci/spec-invalid` for the annotation, `oci/unsupported`, `storage/failed` */
export async function chooseRootfs(
  os: Os,
  bundle: Bundle,
  choices: RootfsChoices,
  signal?: AbortSignal,
): Promise<RootfsChoice> {
  const way = wayOf(bundle);
  if (bundle.rootfsKind !== "directory") return chooseDisk(os, bundle, choices, way, signal);
  switch (way) {
    case "shared":
      return just({ kind: "shared", directory: bundle.rootfs });
    case "layers":
      return just(sharedLayers(bundle));
    case "image": {
      requireDisks(bundle, choices);
      const why = await noImage(os, bundle.rootfs);
      if (why !== undefined) throw cannot(bundle, why);
      return just(imageLayers(bundle));
    }
    case undefined:
      return chooseDirectory(os, bundle, choices);
  }
}

async function chooseDirectory(os: Os, bundle: Bundle, choices: RootfsChoices): Promise<RootfsChoice> {
  const { rootfs } = bundle;
  if (choices.writes === "guest") {
    const why = choices.disks && choices.images ? await noImage(os, rootfs) : noDisks;
    if (why === undefined) return just(imageLayers(bundle));
    return { plan: sharedLayers(bundle), notes: [`no image is made of the root file system: ${why}`] };
  }
  const disk = choices.disks ? await mountedDevice(os, rootfs, choices.blockDevices) : undefined;
  return just(disk === undefined ? { kind: "shared", directory: rootfs } : { kind: "disk", disk });
}

/** `root.path` itself is a block device or an image. */
async function chooseDisk(
  os: Os,
  bundle: Bundle,
  choices: RootfsChoices,
  way: Way | undefined,
  signal: AbortSignal | undefined,
): Promise<RootfsChoice> {
  requireDisks(bundle, choices);
  if (way === "shared" || way === "image") throw cannot(bundle, "root.path is no directory");
  const { rootfs: path, configFile } = bundle;
  await refuseMounted(os, bundle);
  const fstype = await fileSystemOn(os, path, `${configFile}: root.path`, signal);
  const disk: DiskSource = { path, fstype, directory: "" };
  // Nothing can be written to these, not even the mount points that a container needs.
  const isReadOnly = fstype === "erofs";
  if (way !== "layers" && choices.writes === "host" && !isReadOnly) return just({ kind: "disk", disk });
  return just({ kind: "layers", lower: { kind: "disk", disk }, upper: { kind: "disk" } });
}

const noDisks = "this VM cannot have another disk";

function just(plan: RootfsPlan): RootfsChoice {
  return { plan, notes: [] };
}

function sharedLayers({ rootfs }: Bundle): RootfsPlan {
  return { kind: "layers", lower: { kind: "shared", directory: rootfs }, upper: { kind: "memory" } };
}

function imageLayers({ rootfs }: Bundle): RootfsPlan {
  return { kind: "layers", lower: { kind: "image", directory: rootfs }, upper: { kind: "disk" } };
}

/** Why there can be no image of a directory. */
async function noImage(os: Os, directory: string): Promise<string | undefined> {
  if ((await findTool(os, "mkfs.erofs")) === undefined) {
    return "there is no mkfs.erofs on this host (package erofs-utils)";
  }
  const below = (await os.mounts.table()).find(({ target }) => target !== directory && isBelow(directory, target));
  return below === undefined ? undefined : `something is mounted below it, on ${below.target}`;
}

function wayOf({ spec, configFile }: Bundle): Way | undefined {
  const value = spec.annotations?.[rootfsAnnotation];
  if (value === undefined) return undefined;
  const way = ways.find((name) => name === value);
  if (way !== undefined) return way;
  const key = `annotations["${rootfsAnnotation}"]`;
  throw new KumiteError("oci/spec-invalid", `${configFile}: ${key} is ${JSON.stringify(value)}`, {
    phase: "storage.plan",
    hint: `it must be one of ${ways.join(", ")}`,
    data: { file: configFile, key },
  });
}

function requireDisks(bundle: Bundle, { disks }: RootfsChoices): void {
  if (!disks) throw cannot(bundle, noDisks);
}

function cannot({ configFile }: Bundle, why: string): KumiteError {
  return new KumiteError(
    "oci/unsupported",
    `${configFile}: the requested kind of root file system is not possible: ${why}`,
    {
      phase: "storage.plan",
      hint: `remove the annotation ${rootfsAnnotation} to use the kind that the configuration chooses`,
      data: { file: configFile },
    },
  );
}

/** Two kernels with one file system destroy it. */
async function refuseMounted(os: Os, bundle: Bundle): Promise<void> {
  const { rootfs, configFile } = bundle;
  const status = await os.files.status(rootfs);
  if (status?.kind !== "block") return refuseLoopDevice(os, bundle);
  for (const { target, source } of await os.mounts.table()) {
    if (!source.startsWith("/dev/")) continue;
    if (source !== rootfs && (await os.files.status(source))?.deviceNumber !== status.deviceNumber) continue;
    throw new KumiteError("storage/failed", `${configFile}: root.path: ${rootfs} is mounted on ${target}`, {
      phase: "storage.plan",
      hint: "unmount it first: only one kernel may use a file system at a time",
      data: { file: configFile, path: rootfs, target },
    });
  }
}

/** What is written to an image by way of its loop device is not what a machine reads, and the other way round. */
async function refuseLoopDevice(os: Os, { rootfs, configFile }: Bundle): Promise<void> {
  for (const name of (await os.files.list("/sys/block")).filter((block) => block.startsWith("loop"))) {
    const file = await os.files.readText(`/sys/block/${name}/loop/backing_file`).catch(() => "");
    if (file.trim() !== rootfs) continue;
    throw new KumiteError("storage/failed", `${configFile}: root.path: ${rootfs} is in use by /dev/${name}`, {
      phase: "storage.plan",
      hint: `give the device itself as root.path, or detach it with \`losetup --detach /dev/${name}\``,
      data: { file: configFile, path: rootfs },
    });
  }
}
