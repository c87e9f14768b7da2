/**
 * Finds out whether a directory is the root of a block device that the host has mounted, as with engines that give each
 * container a device; and which file system a block device or image has. Changes nothing.
 */
import type { MountEntry, Os } from "../../sys/os.ts";
import { KumiteError } from "../../util/errors.ts";
import { dirName } from "../../util/path.ts";
import { decodeUtf8 } from "../../util/text.ts";
import { numbersOf } from "../device-numbers.ts";
import { runTool } from "../host-tool.ts";
import type { DiskSource } from "./rootfs-plan.ts";

/**
 * Which mounted devices may be taken from the host: none, those of device mapper (as in Kata Containers 1.x), or all.
 */
export type BlockDeviceUse = "never" | "device-mapper" | "any";

const probeTimeoutMs = 30_000;
/** The file systems for which our guest has drivers. */
export const guestFileSystems: ReadonlySet<string> = new Set(["ext2", "ext3", "ext4", "erofs", "xfs"]);

/**
 * The device that holds the directory, if the directory is the device's root or its subdirectory `rootfs`; `undefined`
 * if it is on a file system that the host uses for more, or that is not on a block device.
 */
export async function mountedDevice(os: Os, directory: string, use: BlockDeviceUse): Promise<DiskSource | undefined> {
  if (use === "never") return undefined;
  const mountPoint = await mountPointOf(os, directory);
  if (mountPoint === undefined) return undefined;
  const below = directory.slice(mountPoint.length);
  if (below !== "" && below !== "/rootfs") return undefined;
  const entry = (await os.mounts.table()).findLast(({ target }) => target === mountPoint);
  // A bind mount of a subdirectory is not the device's root.
  if (entry === undefined || entry.root !== "/" || !guestFileSystems.has(entry.type)) return undefined;
  const path = await deviceNode(os, entry);
  if (path === undefined || !(await mayUse(os, path, use))) return undefined;
  return { path, fstype: entry.type, directory: below, hostMount: mountPoint };
}

/** Walks up until the file system changes. `/` is excluded, because it is the host's own root. */
async function mountPointOf(os: Os, directory: string): Promise<string | undefined> {
  const device = (await os.files.status(directory))?.device;
  for (let at = directory; at !== "/"; at = dirName(at)) {
    if ((await os.files.status(dirName(at)))?.device !== device) return at;
  }
  return undefined;
}

async function deviceNode(os: Os, { source, target }: MountEntry): Promise<string | undefined> {
  if (!source.startsWith("/dev/")) return undefined;
  const [node, mounted] = [await os.files.status(source), await os.files.status(target)];
  return node?.kind === "block" && node.deviceNumber === mounted?.device ? source : undefined;
}

async function mayUse(os: Os, node: string, use: BlockDeviceUse): Promise<boolean> {
  if (use === "any") return true;
  const status = await os.files.status(node);
  if (status === undefined) return false;
  const { major, minor } = numbersOf(status.deviceNumber);
  return (await os.files.status(`/sys/dev/block/${major}:${minor}/dm`)) !== undefined;
}

/**
 * The file system on a block device or in a file.
 * @param subject what names the path in the configuration, for errors
 * @throws KumiteError `storage/failed` if there is none, or one that the guest cannot mount
 */
export async function fileSystemOn(os: Os, path: string, subject: string, signal?: AbortSignal): Promise<string> {
  const { status, output } = await runTool(os, {
    tool: "blkid",
    package: "util-linux",
    args: ["--probe", "--match-tag", "TYPE", "--output", "value", "--", path],
    timeoutMs: probeTimeoutMs,
    signal,
    // 2: nothing was found; 8: the result is ambiguous.
    statuses: [0, 2, 8],
  });
  const found = decodeUtf8(output).trim();
  if (status === 0 && guestFileSystems.has(found)) return found;
  const what =
    status === 0 && found !== "" ? `the file system ${found}, which the guest cannot mount` : "no file system";
  throw new KumiteError("storage/failed", `${subject}: ${path} has ${what}`, {
    phase: "storage.plan",
    hint: `a root file system on a disk must be one of ${[...guestFileSystems].join(", ")}, without a partition table`,
    data: { path },
  });
}
