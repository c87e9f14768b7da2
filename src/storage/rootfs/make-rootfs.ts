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
import { copySparse } from "../copy-file.ts";
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
  /** A file whose copies are uppers; without one they are formatted. */
  readonly emptyUpper?: Promise<string | undefined> | undefined;
  /** An upper that is there already, empty, with somebody who undoes it. */
  readonly readyUpper?: string | undefined;
  /** That was found before. */
  readonly readyLower?: ReadyImage | undefined;
}

export interface ReadyImage {
  readonly directory: string;
  /** Of the image of what the directory held. */
  readonly path: string;
}

/** Disks that a machine can be started with. */
export interface MadeDisks {
  /** In the order of the machine's. */
  readonly disks: readonly Disk[];
  /** Until it resolves nobody may read or write them, in the guest neither. */
  readonly filled: Promise<void>;
  /** The upper one is a copy of `emptyUpper`. */
  readonly isCopy: boolean;
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
        const [below, { disk, ...made }] = await together(lower, upper);
        return { disks: [...below, disk], ...made };
      } catch (error) {
        await upper.then(({ filled }) => filled).catch(() => {});
        throw error;
      }
    }
  }
}

function whole(disks: readonly Disk[]): MadeDisks {
  return { disks, filled: Promise.resolve(), isCopy: false };
}

async function makeLower(
  os: Os,
  { journal, images, readyLower }: RootfsWorkshop,
  containerId: string,
  lower: LowerLayer,
  signal: AbortSignal,
): Promise<readonly Disk[]> {
  switch (lower.kind) {
    case "shared":
      return [];
    case "image": {
      const { directory } = lower;
      const isReady = readyLower?.directory === directory;
      const path = isReady ? readyLower.path : await imageOf(os, journal, images, directory, signal);
      return [diskOf(containerId, "lower", { path, readOnly: true }, layerBus)];
    }
    case "disk":
      return [diskOf(containerId, "lower", { path: lower.disk.path, readOnly: true, exclusive: true }, layerBus)];
  }
}

interface MadeUpper extends Omit<MadeDisks, "disks"> {
  readonly disk: Disk;
}

async function makeUpper(
  os: Os,
  workshop: RootfsWorkshop,
  containerId: string,
  signal: AbortSignal,
): Promise<MadeUpper> {
  const { readyUpper } = workshop;
  const path = readyUpper ?? (await newUpperPath(os, workshop));
  const made = readyUpper === undefined ? await fillUpper(os, workshop, path, signal) : asItIs;
  // It goes with the machine: what the guest flushes need not reach the medium.
  const cache = { direct: false, noFlush: true };
  return { disk: diskOf(containerId, "upper", { path, readOnly: false, cache }, layerBus), ...made };
}

const asItIs: Omit<MadeDisks, "disks"> = { filled: Promise.resolve(), isCopy: true };

/** Resolves when the file has its size. */
async function fillUpper(
  os: Os,
  { journal, upperMiB, emptyUpper }: RootfsWorkshop,
  path: string,
  signal: AbortSignal,
): Promise<Omit<MadeDisks, "disks">> {
  await journal.record({ kind: "file", path });
  const model = await emptyUpper;
  if (model !== undefined && (await copied(os, model, path, signal))) {
    return { filled: Promise.resolve(), isCopy: true };
  }
  await placeUpperDisk(os, path);
  const filled = formatUpperDisk(os, { path, sizeMiB: upperMiB }, signal);
  // Whoever has the disk waits for it later.
  filled.catch(() => {});
  return { filled, isCopy: false };
}

/** Not of a template that was removed meanwhile. Nothing is left of a copy that failed. */
async function copied(os: Os, from: string, to: string, signal: AbortSignal): Promise<boolean> {
  try {
    await copySparse(os, from, to, signal);
    return true;
  } catch (error) {
    if (signal.aborted) throw error;
    if ((await os.files.linkStatus(to)) !== undefined) await os.files.removeFile(to);
    return false;
  }
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
    throw new KumiteError("storage/failed", `${path} is in use by the host, which has it mounted on ${hostMount}`, {
      phase: "storage.disk",
      hint: "stop the processes that write there: two kernels must not write to one file system",
      data: { path, hostMount },
      cause: error,
    });
  }
}
