/**
 * Chooses the kind of root file system for a container, from the bundle's content, the configuration, and the bundle's
 * annotation. Changes nothing.
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

/** Where a container's writes to its root file system go. */
export type RootfsWrites = "host" | "guest";

export interface RootfsChoices {
  readonly writes: RootfsWrites;
  readonly blockDevices: BlockDeviceUse;
  /** Whether the VM can have disks for the container. */
  readonly disks: boolean;
  /**
   * Returns the bus for disks of the host.
   * @throws KumiteError `hypervisor/unsupported` if the VM cannot have the configured bus
   */
  readonly diskBus: () => DiskBus;
  /** Whether an image and an upper layer, which take two disks, may be used to keep writes off the host. */
  readonly images: boolean;
  /** Directories of the host to which the guest can already write; default none. */
  readonly guestWritten?: readonly string[];
}

/** Values of the annotation. */
const ways = ["shared", "image", "layers"] as const;
type Way = (typeof ways)[number];

export interface RootfsChoice {
  readonly plan: RootfsPlan;
  /** Results that may surprise the user, one sentence each. */
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

/** For a `root.path` that is itself a block device or an image. */
async function chooseDisk(
  os: Os,
  bundle: Bundle,
  choices: RootfsChoices,
  way: Way | undefined,
  signal: AbortSignal | undefined,
): Promise<RootfsChoice> {
  requireDisks(bundle, choices);
  if (way === "shared" || way === "image") throw cannot(bundle, "root.path is not a directory");
  const { rootfs: path, configFile } = bundle;
  await refuseMounted(os, bundle);
  const fstype = await fileSystemOn(os, path, `${configFile}: root.path`, signal);
  const disk: DiskSource = { path, fstype, directory: "" };
  // On erofs not even the mount points that a container needs can be made, so it always gets an upper layer.
  const isReadOnly = fstype === "erofs";
  if (way !== "layers" && choices.writes === "host" && !isReadOnly) return just({ kind: "disk", disk });
  return just({ kind: "layers", lower: { kind: "disk", disk }, upper: { kind: "disk" } });
}

const noDisks = "no disk can be added to this VM";

function just(plan: RootfsPlan): RootfsChoice {
  return { plan, notes: [] };
}

function sharedLayers({ rootfs }: Bundle): RootfsPlan {
  return { kind: "layers", lower: { kind: "shared", directory: rootfs }, upper: { kind: "memory" } };
}

function imageLayers({ rootfs }: Bundle): RootfsPlan {
  return { kind: "layers", lower: { kind: "image", directory: rootfs }, upper: { kind: "disk" } };
}

/** The reason why no image can be made of a directory; `undefined` if one can. */
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
    `${configFile}: the kind of root file system that ${rootfsAnnotation} asks for is not possible: ${why}`,
    {
      phase: "storage.plan",
      hint: `remove the annotation ${rootfsAnnotation} to use the kind that the configuration chooses`,
      data: { file: configFile },
    },
  );
}

/** Two kernels that use one file system destroy it. */
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

/** Writes through a loop device are not visible to a VM that reads the image, and vice versa. */
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
