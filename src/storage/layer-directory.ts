/** The directory of the disks that are discarded with their VMs. Its path comes from the configuration. */
import type { Os } from "../sys/os.ts";
import { KumiteError } from "../util/errors.ts";

const sticky = 0o1000;
const writableByOthers = 0o022;

/**
 * Makes the directory if necessary. Programs write to the disks by their paths, so nobody else may exchange a file
 * between two calls: the directory must be root's, and if others can write to it, it must have the sticky bit, as /tmp
 * has.
 * @throws KumiteError `storage/failed`
 */
export async function ensureLayerDirectory(os: Os, directory: string): Promise<void> {
  await os.files.makeDirs(directory, 0o700);
  // A symlink is followed: who can exchange it could write above it.
  const status = await os.files.status(directory);
  const { kind, uid, mode = 0 } = status ?? {};
  if (kind === "directory" && uid === 0 && ((mode & writableByOthers) === 0 || (mode & sticky) !== 0)) return;
  throw new KumiteError("storage/failed", `${directory} is not a directory in which only root can exchange files`, {
    phase: "storage.image",
    hint: "change it to owner root and mode 0700, or set rootfs_upper_directory in [runtime] to another directory",
    data: { directory },
  });
}
