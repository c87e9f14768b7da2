/**
 * The cgroup of what belongs to no sandbox: keepers of templates, machines that are made ahead. Shared by all of them and
 * left when it is empty; what a sandbox takes over moves to the sandbox's own.
 */
import { hierarchiesIn } from "../cgroups/hierarchies.ts";
import { membersOf } from "../persist/undo-cgroup.ts";
import type { Os } from "../sys/os.ts";
import { isKumiteError, isSystemError } from "../util/errors.ts";
import { retry } from "../util/retry.ts";
import { keeperName } from "./keeper/protocol.ts";

const path = "/kumite-factory";
/** By the names that they are started with. */
const stays: readonly string[] = [keeperName, "kumite-cache"];
const endTimeoutMs = 5000;

/** Directories to be born in, one for each hierarchy; made if missing. */
export async function factoryCgroups(os: Os): Promise<string[]> {
  const directories = hierarchiesIn(await os.mounts.table()).map(({ directory }) => `${directory}${path}`);
  for (const directory of directories) await os.files.makeDirs(directory, 0o755);
  return directories;
}

/** When nothing is in them. Who is about to end there, like the helper of a server that has ended, is waited for. */
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
