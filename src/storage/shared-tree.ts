/**
 * The directory tree that the host shares with the guest. It has three directories in one parent, which only root can
 * enter:
 *   `mounts`  what is shared, as the host arranges it; a mount with shared propagation
 *   `view`    the same as the guest sees it: it follows `mounts`, but its own directories are read-only, so that a guest
 *             can write only inside what is shared, and can never put a link where the host will mount something
 *   `stage`   where a bind gets its flags before it appears in the other two
 * The parent is a private mount, and unmounting it removes everything.
 */
import type { Journal } from "../persist/journal.ts";
import type { Step } from "../persist/step.ts";
import type { Os } from "../sys/os.ts";
import { isSystemError, KumiteError } from "../util/errors.ts";

export interface SharedTree {
  readonly mounts: string;
  /** The path for a `SharedDirectory`. */
  readonly view: string;
  readonly stage: string;
}

export function treeAt(parent: string): SharedTree {
  return { mounts: `${parent}/mounts`, view: `${parent}/view`, stage: `${parent}/stage` };
}

/** The steps that undo the tree. */
export function treeSteps(parent: string): Step[] {
  return [
    { kind: "directory", path: parent },
    { kind: "mount", target: parent },
  ];
}

/** @throws KumiteError `storage/failed`; what exists by then is in the journal */
export async function makeSharedTree(os: Os, journal: Journal, parent: string): Promise<SharedTree> {
  const tree = treeAt(parent);
  await journal.record(...treeSteps(parent));
  try {
    await os.files.makeDir(parent, 0o700);
    await os.mounts.mount({ source: parent, target: parent, flags: ["bind"] });
    await os.mounts.mount({ target: parent, flags: ["private"] });
    for (const directory of [tree.mounts, tree.view, tree.stage]) await os.files.makeDir(directory, 0o755);

    await os.mounts.mount({ source: tree.mounts, target: tree.mounts, flags: ["bind"] });
    await os.mounts.mount({ target: tree.mounts, flags: ["shared"] });
    await os.mounts.mount({ source: tree.mounts, target: tree.view, flags: ["bind"] });
    await os.mounts.mount({ target: tree.view, flags: ["slave"] });
    await os.mounts.mount({ target: tree.view, flags: ["remount", "bind", "ro", "nosuid", "nodev"] });
    return tree;
  } catch (error) {
    if (!isSystemError(error)) throw error;
    throw new KumiteError("storage/failed", `the shared directory ${parent} cannot be created`, {
      phase: "storage.share",
      data: { directory: parent },
      cause: error,
    });
  }
}
