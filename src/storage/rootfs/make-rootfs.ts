/**
 * Makes what a root file system plan needs on the host. Everything is in the journal before it exists. Images stay for
 * further containers.
 */
import type { Disk, DiskBus } from "../../hypervisor/spec.ts";
import type { Journal } from "../../persist/journal.ts";
import type { Os } from "../../sys/os.ts";
import { isSystemError, KumiteError } from "../../util/errors.ts";
import { toHex } from "../../util/hex.ts";
import { together } from "../../util/together.ts";
import { copySparse } from "../copy-file.ts";
import { diskOf, layerBus } from "../disk-names.ts";
import { ensureLayerDirectory } from "../layer-directory.ts";
import { type ImageCache, imageOf } from "./image-cache.ts";
import type { DiskSource, LowerLayer, RootfsPlan } from "./rootfs-plan.ts";
import { formatUpperDisk, placeUpperDisk } from "./upper-disk.ts";

export interface RootfsWorkshop {
  readonly journal: Pick<Journal, "record">;
  readonly images: ImageCache;
  /** Directory for upper layers on disks. Absolute path; made if missing. */
  readonly upperDirectory: string;
  readonly upperMiB: number;
  /** An empty upper layer to copy; without it new ones are formatted. */
  readonly emptyUpper?: Promise<string | undefined> | undefined;
  /** An empty upper layer that exists already and that somebody else undoes. */
  readonly readyUpper?: string | undefined;
  /** A lower layer's image that was found before. */
  readonly readyLower?: ReadyImage | undefined;
}

export interface ReadyImage {
  readonly directory: string;
  /** The image of the directory's content. */
  readonly path: string;
}

/** Disks with which a VM can be started. */
export interface MadeDisks {
  /** In the order in which the VM has them. */
  readonly disks: readonly Disk[];
  /** Until this resolves, neither the host nor the guest may use the disks. */
  readonly filled: Promise<void>;
  /** The upper layer is a copy of `emptyUpper`. */
  readonly isCopy: boolean;
}

export interface RootfsRequest {
  readonly containerId: string;
  readonly plan: RootfsPlan;
  /** For a root that is one disk. */
  readonly bus: DiskBus;
}

/**
 * @throws KumiteError `storage/failed`, `timeout`, `aborted`; `filled` rejects with the same
 */
export async function makeRootfs(
  os: Os,
  workshop: RootfsWorkshop,
  { containerId, plan, bus }: RootfsRequest,
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
  // The disk is discarded with the VM, so the guest's flushes need not reach the medium.
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
  // The owner of the disk awaits this promise later.
  filled.catch(() => {});
  return { filled, isCopy: false };
}

/** Fails if the template was removed meanwhile. A failed copy leaves nothing. */
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
  await ensureLayerDirectory(os, upperDirectory);
  // The name is random, because sandboxes in different state directories may have the same id.
  return `${upperDirectory}/${toHex(os.random(8))}.ext4`;
}

/** Makes an empty file for a copy of an upper layer, with a step in the journal. */
export async function newUpperFile(os: Os, workshop: RootfsWorkshop): Promise<string> {
  const path = await newUpperPath(os, workshop);
  await workshop.journal.record({ kind: "file", path });
  await os.files.write(path, "", { exclusive: true });
  return path;
}

/**
 * From here on the file system belongs to the guest. It stays mounted on the host, but read-only. Whoever mounted it
 * has to unmount it, and must mount it again to see what the guest has written.
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
