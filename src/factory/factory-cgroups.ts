/**
 * The cgroup of processes that belong to no sandbox: keepers of templates, and VMs that are made in advance. All share
 * it, and it is removed when it is empty. What a sandbox takes over moves to the sandbox's cgroup.
 */
import { hierarchiesIn } from "../cgroups/hierarchies.ts";
import { membersOf } from "../persist/undo-cgroup.ts";
import type { Os } from "../sys/os.ts";
import { isKumiteError, isSystemError } from "../util/errors.ts";
import { retry } from "../util/retry.ts";
import { keeperName } from "./keeper/protocol.ts";

const path = "/kumite-factory";
/** Names (argv[0]) of the processes that stay in the cgroup. */
const stays: readonly string[] = [keeperName, "kumite-cache"];
const endTimeoutMs = 5000;

/** Directories for processes to be born in, one for each hierarchy; made if missing. */
export async function factoryCgroups(os: Os): Promise<string[]> {
  const directories = hierarchiesIn(await os.mounts.table()).map(({ directory }) => `${directory}${path}`);
  for (const directory of directories) await os.files.makeDirs(directory, 0o755);
  return directories;
}

/**
 * Removes the cgroup unless it is in use. Waits for processes that are about to end, such as the helper of a server
 * that has ended.
 */
export async function removeFactoryCgroups(os: Os): Promise<void> {
  for (const { directory } of hierarchiesIn(await os.mounts.table())) {
    const group = `${directory}${path}`;
    const remove = async (): Promise<void> => {
      if (!(await hasWhoStays(os, group))) await os.files.removeDir(group);
    };
    try {
      const retryIf = (error: unknown): boolean => isSystemError(error, "EBUSY");
      await retry(remove, { what: `emptying ${group}`, timeoutMs: endTimeoutMs, retryIf });
    } catch (error) {
      if (!isSystemError(error, "ENOENT", "ENOTEMPTY") && !isKumiteError(error, "timeout")) throw error;
    }
  }
}

async function hasWhoStays(os: Os, group: string): Promise<boolean> {
  const members = await Promise.all((await membersOf(os, group)).map((pid) => os.processes.info(pid)));
  return members.some((member) => member !== undefined && stays.includes(member.argv[0] ?? ""));
}
