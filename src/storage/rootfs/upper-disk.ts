/**
 * The upper layer of one container as a disk: an empty ext4 in a sparse file. It is discarded with the VM, so it has no
 * journal. The file grows with what is written.
 */
import type { Os } from "../../sys/os.ts";
import { runTool } from "../host-tool.ts";
import { layerDiskBytes } from "./image-cache.ts";

/**
 * With `64bit` (a default) and lazily initialised inode tables the file takes less than a megabyte at first, whatever
 * its size. There are no metadata checksums: the disk lasts only as long as its VM and copies of that, and an emulated
 * guest is slow to compute them.
 */
const features = "^has_journal,^resize_inode,^metadata_csum,uninit_bg";
const extended = "lazy_itable_init=1,nodiscard,root_owner=0:0";
const timeoutMs = 60_000;

/** Makes an empty file of the size that every layer's disk has. @throws SystemError */
export async function placeUpperDisk(os: Os, path: string): Promise<void> {
  await os.files.write(path, "", { exclusive: true });
  await os.files.resize(path, layerDiskBytes);
}

/**
 * @param sizeMiB of the file system, limited by the size of the disk
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
    // No blocks are reserved for root, because the guest's kernel sees all of the container's writes as root's.
    args: ["-q", "-F", "-O", features, "-E", extended, "-m", "0", path, blocks],
    timeoutMs,
    signal,
  });
}
