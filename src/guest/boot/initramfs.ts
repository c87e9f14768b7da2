/**
 * Empties the initramfs once the agent runs. It lies below the root of every container's mount namespace and cannot be
 * unmounted: a container with CAP_SYS_ADMIN can uncover it, and must find nothing there that it could change, above all
 * no module that the agent would load later.
 */
import { rmdir, unlink } from "../../sys/linux/directory.ts";
import { fileSystemType, RAMFS_MAGIC, TMPFS_MAGIC } from "../../sys/linux/mount.ts";
import { isSystemError } from "../../util/errors.ts";

/** An agent that runs from a disk or in somebody's namespaces must remove nothing. */
export function isInitramfs(): boolean {
  const type = fileSystemType("/");
  return type === RAMFS_MAGIC || type === TMPFS_MAGIC;
}

/** Before something is mounted over it. The kernel has opened it by now. */
export function removeConsole(): void {
  gone(() => unlink("/dev/console"));
}

/** All but the directories that are mounted over, and modules, which are taken before. What runs keeps its file without a name. */
export function emptyInitramfs(): void {
  gone(() => unlink("/init"));
  for (const path of ["/lib/modules", "/lib"]) gone(() => rmdir(path));
}

/** Images differ. */
function gone(remove: () => void): void {
  try {
    remove();
  } catch (error) {
    if (!isSystemError(error, "ENOENT", "ENOTEMPTY")) throw error;
  }
}
