/**
 * Directories of the host to which the guest of a running VM can write. Their content is not trusted: it can include
 * links to other places and device nodes, and can be replaced at any moment.
 */
import type { Bundle } from "../oci/bundle.ts";
import { isBindMount, isReadOnlyMount } from "../oci/mount.ts";
import { isBelow, resolvePath } from "../util/path.ts";

/** @param bundles of the VM's containers */
export function guestWritten(bundles: readonly Bundle[]): readonly string[] {
  return bundles.flatMap(({ path, rootfs, spec }) => [
    rootfs,
    ...(spec.mounts ?? [])
      .filter((mount) => isBindMount(mount) && !isReadOnlyMount(mount) && mount.source !== undefined)
      .map(({ source = "" }) => resolvePath(path, source)),
  ]);
}

/** The outermost of these directories above the path. The guest controls nothing above that directory. */
export function writtenAbove(directories: readonly string[], path: string): string | undefined {
  const above = directories.filter((directory) => directory !== path && isBelow(directory, path));
  return above.sort((a, b) => a.length - b.length)[0];
}
