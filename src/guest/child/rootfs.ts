/** The container's root file system: it becomes a mount of its own, and later the root of its mount namespace. */
import { cloneMountOf } from "../../sys/linux/detached-mount.ts";
import { chdir, fchdir } from "../../sys/linux/directory.ts";
import { closeQuietly, open } from "../../sys/linux/file.ts";
import { attachMount, MNT_DETACH, mount_setattr, pivot_root, umount2 } from "../../sys/linux/mount.ts";
import { O_CLOEXEC, O_DIRECTORY, O_PATH } from "../../sys/linux/open-flags.ts";
import { mountAttribute, propagation } from "../spec/mount-options.ts";
import type { Propagation, RootfsPlan } from "../spec/plan.ts";
import { step } from "./step.ts";

/** Returns a descriptor of the new mount's root. The process must be in its own mount namespace already. */
export function attachRootfs({ path, propagation: wanted }: RootfsPlan): number {
  return step(`using ${path} as root file system`, () => {
    // Mounts made here must not propagate to the agent, or to the host behind it; unmounts there must propagate to
    // here.
    setPropagation("/", propagation.slave | propagation.recursive);
    const directory = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    try {
      const rootFd = cloneMountOf(directory, true, path);
      attachMount(rootFd, directory);
      // Set before other mounts are made in it, which have their own propagation. A shared mount cannot be pivoted to,
      // so sharing comes later.
      if (!isShared(wanted)) setPropagation(rootFd, wanted);
      return rootFd;
    } finally {
      closeQuietly(directory);
    }
  });
}

/** Makes it the root and detaches everything outside it. */
export function enterRootfs(rootFd: number, { propagation: wanted, readonly }: RootfsPlan): void {
  step("entering the root file system", () => {
    fchdir(rootFd);
    // Stacks the old root on the new one, so that no directory in the container is needed for it.
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

/** Changes a mount, by path or descriptor, and those below it if `bits` is recursive. */
export function setPropagation(mount: string | number, bits: Propagation): void {
  const recursive = (bits & propagation.recursive) !== 0;
  mount_setattr(mount, { set: 0, clear: 0, propagation: bits & ~propagation.recursive }, recursive);
}
