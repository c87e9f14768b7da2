/**
 * Empties the initramfs once the agent runs. The initramfs lies below the root of every container's mount namespace and
 * cannot be unmounted. A container with CAP_SYS_ADMIN can uncover it, and must not find anything to modify there, above
 * all no module that the agent would load later.
 */
import { rmdir, unlink } from "../../sys/linux/directory.ts";
import { fileSystemType, RAMFS_MAGIC, TMPFS_MAGIC } from "../../sys/linux/mount.ts";
import { isSystemError } from "../../util/errors.ts";

/** An agent that runs from a disk, or in namespaces on a host, must remove nothing. */
export function isInitramfs(): boolean {
  const type = fileSystemType("/");
  return type === RAMFS_MAGIC || type === TMPFS_MAGIC;
}

/** Called before something is mounted over /dev. The kernel has opened the console by now. */
export function removeConsole(): void {
  gone(() => unlink("/dev/console"));
}

/**
 * Leaves only the directories that have mounts on them. The module loader has taken its files before. The agent's own
 * executable keeps running without a name.
 */
export function emptyInitramfs(): void {
  gone(() => unlink("/init"));
  for (const path of ["/lib/modules", "/lib"]) gone(() => rmdir(path));
}

/** Not every image has all of these files. */
function gone(remove: () => void): void {
  try {
    remove();
  } catch (error) {
    if (!isSystemError(error, "ENOENT", "ENOTEMPTY")) throw error;
  }
}
