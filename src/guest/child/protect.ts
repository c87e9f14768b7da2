/** Hides paths of a container or makes them read-only. A path that does not exist is skipped. */
import { cloneMountOf, mountFileSystem } from "../../sys/linux/detached-mount.ts";
import { closeQuietly } from "../../sys/linux/file.ts";
import { openInRootIfPresent } from "../../sys/linux/in-root.ts";
import { attachMount, mount_setattr } from "../../sys/linux/mount.ts";
import { O_PATH } from "../../sys/linux/open-flags.ts";
import { fstat, isDirectory } from "../../sys/linux/stat.ts";
import { mountAttribute } from "../spec/mount-options.ts";
import { step } from "./step.ts";

/** @param nullFd an O_PATH descriptor of the guest's own /dev/null; the container's might be any file */
export function maskPaths(rootFd: number, paths: readonly string[], nullFd: number): void {
  for (const path of paths) {
    onto(rootFd, path, `masking ${path}`, (target) => {
      if (!isDirectory(fstat(target))) return cloneMountOf(nullFd, false, path);
      return mountFileSystem("tmpfs", "tmpfs", [], mountAttribute.readonly);
    });
  }
}

export function makePathsReadonly(rootFd: number, paths: readonly string[]): void {
  for (const path of paths) {
    onto(rootFd, path, `making ${path} read-only`, (target) => {
      const mount = cloneMountOf(target, true, path);
      // Only this mount: those below keep their own attributes, as with runc.
      mount_setattr(mount, { set: mountAttribute.readonly, clear: 0, propagation: 0 }, false);
      return mount;
    });
  }
}

/** Attaches the mount that `make` returns to the path, if the path exists. */
function onto(rootFd: number, path: string, what: string, make: (target: number) => number): void {
  step(what, () => {
    const target = openInRootIfPresent(rootFd, path, O_PATH);
    if (target === undefined) return;
    try {
      const mount = make(target);
      try {
        attachMount(mount, target);
      } finally {
        closeQuietly(mount);
      }
    } finally {
      closeQuietly(target);
    }
  });
}
