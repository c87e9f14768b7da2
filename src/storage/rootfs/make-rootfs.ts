/**
 * Makes on the host what a plan of a root file system needs there. Everything is in the journal before it exists;
 * images stay, for the next container.
 */
import type { Disk, DiskBus } from "../../hypervisor/spec.ts";
import type { Journal } from "../../persist/journal.ts";
import type { Os } from "../../sys/os.ts";
import { isSystemError, KumiteError } from "../../util/errors.ts";
import { toHex } from "../../util/hex.ts";
import { diskOf, layerBus } from "../disk-names.ts";
import { type ImageCache, imageOf } from "./image-cache.ts";
import type { DiskSource, LowerLayer, RootfsPlan } from "./rootfs-plan.ts";
import { makeUpperDisk } from "./upper-disk.ts";

export interface RootfsWorkshop {
  readonly journal: Pick<Journal, "record">;
  readonly images: ImageCache;
  /** Of uppers on disks. Absolute; made if missing. */
  readonly upperDirectory: string;
  readonly upperMiB: number;
}

/**
 * The disks that the machine gets for it, in this order.
 * @param bus of a disk that is all of it
 * @throws KumiteError `storage/failed`, `timeout`, `aborted`
 */
export async function makeRootfs(
  os: Os,
  workshop: RootfsWorkshop,
  containerId: string,
  plan: RootfsPlan,
  bus: DiskBus,
  signal: AbortSignal,
): Promise<readonly Disk[]> {
  switch (plan.kind) {
    case "shared":
      return [];
    case "disk":
      await releaseFromHost(os, plan.disk);
      return [diskOf(containerId, "root", { path: plan.disk.path, readOnly: false, exclusive: true }, bus)];
    case "layers": {
      const lower = makeLower(os, workshop, containerId, plan.lower, signal);
      if (plan.upper.kind === "memory") return lower;
      // Waits for both whatever happens to one: what they make must not appear after it was undone.
      const [below, above] = await Promise.allSettled([lower, makeUpper(os, workshop, containerId, signal)]);
      if (below.status === "rejected") throw below.reason;
      if (above.status === "rejected") throw above.reason;
      return [...below.value, above.value];
    }
  }
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

async function makeUpper(os: Os, workshop: RootfsWorkshop, containerId: string, signal: AbortSignal): Promise<Disk> {
  const { journal, upperMiB } = workshop;
  const path = await newUpperPath(os, workshop);
  await makeUpperDisk(os, journal, { path, sizeMiB: upperMiB }, signal);
  // It goes with the machine: what the guest flushes need not reach the medium.
  return diskOf(containerId, "upper", { path, readOnly: false, cache: { direct: false, noFlush: true } }, layerBus);
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
