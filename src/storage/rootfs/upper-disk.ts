/**
 * The upper layer of one container as a disk: an empty ext4 in a sparse file. It is thrown away with the machine, so it
 * has no journal, and grows with what is written.
 */
import type { Os } from "../../sys/os.ts";
import { runTool } from "../host-tool.ts";
import { layerDiskBytes } from "./image-cache.ts";

/**
 * `64bit` and lazily written inode tables let the file begin with less than a megabyte, whatever its size. No checksums of
 * what describes files: it goes with its machine and the copies of that, and an emulated guest computes them for long.
 */
const features = "^has_journal,^resize_inode,^metadata_csum,uninit_bg";
const extended = "lazy_itable_init=1,nodiscard,root_owner=0:0";
const timeoutMs = 60_000;

/** For the guest's kernel, which would write the tables in the background. */
export const upperMountOptions: readonly string[] = ["noinit_itable"];

/** Of the size of all disks of layers, and empty. @throws SystemError */
export async function placeUpperDisk(os: Os, path: string): Promise<void> {
  await os.files.write(path, "", { exclusive: true });
  await os.files.resize(path, layerDiskBytes);
}

/**
 * @param sizeMiB of the file system, as far as the disk has place
 * @throws KumiteError `storage/failed`, `timeout`, `aborted`
 */
export async function formatUpperDisk(
  os: Os,
  { path, sizeMiB }: { readonly path: string; readonly sizeMiB: number },
  signal: AbortSignal,
): Promise<void> {
  const blocks = `${Math.min(sizeMiB, layerDiskBytes / 1024 ** 2)}M`;
  await runTool(os, {
    tool: "mkfs.ext4",
    package: "e2fsprogs",
    // No space for root alone: all of the container's writing is root's to the kernel that counts.
    args: ["-q", "-F", "-O", features, "-E", extended, "-m", "0", path, blocks],
    timeoutMs,
    signal,
  });
}
