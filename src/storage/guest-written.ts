/**
 * Directories of the host that the guest of a running machine writes to by now. What lies in them is whatever it makes of
 * it, links to elsewhere and device nodes among it, and may be exchanged at any moment.
 */
import type { Bundle } from "../oci/bundle.ts";
import { isBindMount, isReadOnlyMount } from "../oci/mount.ts";
import { isBelow, resolvePath } from "../util/path.ts";

/** @param bundles of the machine's containers */
export function guestWritten(bundles: readonly Bundle[]): readonly string[] {
  return bundles.flatMap(({ path, rootfs, spec }) => [
    rootfs,
    ...(spec.mounts ?? [])
      .filter((mount) => isBindMount(mount) && !isReadOnlyMount(mount) && mount.source !== undefined)
      .map(({ source = "" }) => resolvePath(path, source)),
  ]);
}

/** The outermost of these directories that is above the path: nothing above it is the guest's. */
export function writtenAbove(directories: readonly string[], path: string): string | undefined {
  const above = directories.filter((directory) => directory !== path && isBelow(directory, path));
  return above.sort((a, b) => a.length - b.length)[0];
}
