/** The container's root file system: made a mount of its own, and later the root of its mount namespace. */
import { cloneMountOf } from "../../sys/linux/detached-mount.ts";
import { chdir, fchdir } from "../../sys/linux/directory.ts";
import { closeQuietly, open } from "../../sys/linux/file.ts";
import { attachMount, MNT_DETACH, mount_setattr, pivot_root, umount2 } from "../../sys/linux/mount.ts";
import { O_CLOEXEC, O_DIRECTORY, O_PATH } from "../../sys/linux/open-flags.ts";
import { mountAttribute, propagation } from "../spec/mount-options.ts";
import type { Propagation, RootfsPlan } from "../spec/plan.ts";
import { step } from "./step.ts";

/** Returns a descriptor of the root of the new mount. In a mount namespace of our own already. */
export function attachRootfs({ path, propagation: wanted }: RootfsPlan): number {
  return step(`using ${path} as root file system`, () => {
    // Nothing that is mounted here may reach the agent, or the host behind it; unmounts there may reach us.
    setPropagation("/", propagation.slave | propagation.recursive);
    const directory = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    try {
      const rootFd = cloneMountOf(directory, true, path);
      attachMount(rootFd, directory);
      // Before other mounts are made in it: those have their own. A shared one cannot be pivoted to.
      if (!isShared(wanted)) setPropagation(rootFd, wanted);
      return rootFd;
    } finally {
      closeQuietly(directory);
    }
  });
}

/** Makes it the root and lets go of everything outside it. */
export function enterRootfs(rootFd: number, { propagation: wanted, readonly }: RootfsPlan): void {
  step("entering the root file system", () => {
    fchdir(rootFd);
    // Old and new root on one place: no directory of the container's is needed for the old one.
    pivot_root(".", ".");
    umount2(".", MNT_DETACH);
    chdir("/");
  });
  if (isShared(wanted)) step("sharing the root file system", () => setPropagation("/", propagation.shared));
  if (!readonly) return;
  step("making the root file system read-only", () => {
    mount_setattr("/", { set: mountAttribute.readonly, clear: 0, propagation: 0 }, false);
  });
}

function isShared(wanted: Propagation): boolean {
  return (wanted & propagation.shared) !== 0;
}

/** Of a mount by path or descriptor, and of what lies below it when the bits say so. */
export function setPropagation(mount: string | number, bits: Propagation): void {
  const recursive = (bits & propagation.recursive) !== 0;
  mount_setattr(mount, { set: 0, clear: 0, propagation: bits & ~propagation.recursive }, recursive);
}
