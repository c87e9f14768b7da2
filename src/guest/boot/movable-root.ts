/**
 * Makes the root of an initramfs one that containers can pivot away from. The kernel refuses to pivot away from its
 * very first mount, so this binds the same files once more and makes that mount the root.
 */
import { chdir, chroot } from "../../sys/linux/directory.ts";
import { mount } from "../../sys/linux/mount.ts";
import { MS_BIND, MS_MOVE } from "../../sys/linux/mount-flags.ts";

/** An empty directory of the image. */
const place = "/mnt";

/** Must be called before anything else is mounted. */
export function makeRootMovable(): void {
  mount("/", place, null, MS_BIND, null);
  chdir(place);
  mount(".", "/", null, MS_MOVE, null);
  chroot(".");
  chdir("/");
}
