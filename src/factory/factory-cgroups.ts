/**
 * The cgroup of what belongs to no sandbox: keepers of templates, machines that are made ahead. Shared by all of them and
 * left when it is empty; what a sandbox takes over moves to the sandbox's own.
 */
import { hierarchiesIn } from "../cgroups/hierarchies.ts";
import type { Os } from "../sys/os.ts";
import { isSystemError } from "../util/errors.ts";

const path = "/kumite-factory";

/** Directories to be born in, one for each hierarchy; made if missing. */
export async function factoryCgroups(os: Os): Promise<string[]> {
  const directories = hierarchiesIn(await os.mounts.table()).map(({ directory }) => `${directory}${path}`);
  for (const directory of directories) await os.files.makeDirs(directory, 0o755);
  return directories;
}

/** When nothing is in them. */
export async function removeFactoryCgroups(os: Os): Promise<void> {
  for (const { directory } of hierarchiesIn(await os.mounts.table())) {
    try {
      await os.files.removeDir(`${directory}${path}`);
    } catch (error) {
      if (!isSystemError(error, "ENOENT", "EBUSY", "ENOTEMPTY")) throw error;
    }
  }
}
