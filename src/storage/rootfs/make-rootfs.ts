/**
 * Makes on the host what a plan of a root file system needs there. Everything is in the journal before it exists;
 * images stay, for the next container.
 */
import type { Disk, DiskBus } from "../../hypervisor/spec.ts";
import type { Journal } from "../../persist/journal.ts";
import type { Os } from "../../sys/os.ts";
import { isSystemError, KumiteError } from "../../util/errors.ts";
import { toHex } from "../../util/hex.ts";
import { together } from "../../util/together.ts";
import { diskOf, layerBus } from "../disk-names.ts";
import { type ImageCache, imageOf } from "./image-cache.ts";
import type { DiskSource, LowerLayer, RootfsPlan } from "./rootfs-plan.ts";
import { formatUpperDisk, placeUpperDisk } from "./upper-disk.ts";

export interface RootfsWorkshop {
  readonly journal: Pick<Journal, "record">;
  readonly images: ImageCache;
  /** Of uppers on disks. Absolute; made if missing. */
  readonly upperDirectory: string;
  readonly upperMiB: number;
}

/** Disks that a machine can be started with. */
export interface MadeDisks {
  /** In the order of the machine's. */
  readonly disks: readonly Disk[];
  /** Until it resolves nobody may read or write them, in the guest neither. */
  readonly filled: Promise<void>;
}

/**
 * What the machine gets for it.
 * @param bus of a disk that is all of it
 * @throws KumiteError `storage/failed`, `timeout`, `aborted`; `filled` too
 */
export async function makeRootfs(
  os: Os,
  workshop: RootfsWorkshop,
  containerId: string,
  plan: RootfsPlan,
  bus: DiskBus,
  signal: AbortSignal,
): Promise<MadeDisks> {
  switch (plan.kind) {
    case "shared":
      return whole([]);
    case "disk":
      await releaseFromHost(os, plan.disk);
      return whole([diskOf(containerId, "root", { path: plan.disk.path, readOnly: false, exclusive: true }, bus)]);
    case "layers": {
      const lower = makeLower(os, workshop, containerId, plan.lower, signal);
      if (plan.upper.kind === "memory") return whole(await lower);
      const upper = makeUpper(os, workshop, containerId, signal);
      try {
        const [below, { disk, filled }] = await together(lower, upper);
        return { disks: [...below, disk], filled };
      } catch (error) {
        await upper.then(({ filled }) => filled).catch(() => {});
        throw error;
      }
    }
  }
}

function whole(disks: readonly Disk[]): MadeDisks {
  return { disks, filled: Promise.resolve() };
}

async function makeLower(
  os: Os,
  { journal, images }: RootfsWorkshop,
  containerId: string,
  lower: LowerLayer,
  signal: AbortSignal,
): Promise<readonly Disk[]> {
  switch (lower.kind) {
    case "shared":
      return [];
    case "image": {
      const path = await imageOf(os, journal, images, lower.directory, signal);
      return [diskOf(containerId, "lower", { path, readOnly: true }, layerBus)];
    }
    case "disk":
      return [diskOf(containerId, "lower", { path: lower.disk.path, readOnly: true, exclusive: true }, layerBus)];
  }
}

interface MadeUpper extends Pick<MadeDisks, "filled"> {
  readonly disk: Disk;
}

async function makeUpper(
  os: Os,
  workshop: RootfsWorkshop,
  containerId: string,
  signal: AbortSignal,
): Promise<MadeUpper> {
  const { journal, upperMiB } = workshop;
  const path = await newUpperPath(os, workshop);
  await placeUpperDisk(os, journal, path);
  const filled = formatUpperDisk(os, { path, sizeMiB: upperMiB }, signal);
  // Whoever has the disk waits for it later.
  filled.catch(() => {});
  // It goes with the machine: what the guest flushes need not reach the medium.
  const cache = { direct: false, noFlush: true };
  return { disk: diskOf(containerId, "upper", { path, readOnly: false, cache }, layerBus), filled };
}

async function newUpperPath(os: Os, { upperDirectory }: RootfsWorkshop): Promise<string> {
  await os.files.makeDirs(upperDirectory, 0o700);
  // Sandboxes of several roots may have the same ids.
  return `${upperDirectory}/${toHex(os.random(8))}.ext4`;
}

/** An empty file for the copy of an upper layer, in the journal. */
export async function newUpperFile(os: Os, workshop: RootfsWorkshop): Promise<string> {
  const path = await newUpperPath(os, workshop);
  await workshop.journal.record({ kind: "file", path });
  await os.files.write(path, "", { exclusive: true });
  return path;
}

/**
 * From here on the file system is the guest's. It stays mounted on the host, read-only: unmounting it is for whoever has
 * mounted it, and so is mounting it anew, which is what shows what the guest has written.
 */
async function releaseFromHost(os: Os, { hostMount, path }: DiskSource): Promise<void> {
  if (hostMount === undefined) return;
  const entry = (await os.mounts.table()).findLast(({ target }) => target === hostMount);
  const kept = ["nosuid", "nodev", "noexec", "noatime", "nodiratime", "relatime"];
  const flags = kept.filter((flag) => entry?.options.includes(flag));
  try {
    await os.mounts.mount({ target: hostMount, flags: ["remount", "ro", ...flags] });
  } catch (error) {
    if (!isSystemError(error)) throw error;
    throw new KumiteError("storage/failed", `${path} cannot be taken from the host, which has it on ${hostMount}`, {
      phase: "storage.disk",
      hint: "end what writes there: two kernels must not write to one file system",
      data: { path, hostMount },
      cause: error,
    });
  }
}
