/** Moves everything that runs in one cgroup into another of the same hierarchy. */
import type { Os } from "../sys/os.ts";
import { isSystemError, KumiteError } from "../util/errors.ts";
import { isBelow } from "../util/path.ts";
import { hierarchiesIn } from "./hierarchies.ts";

/** Processes may be born while others are moved, in the old group still. */
const maxRounds = 50;

/**
 * Directories of the same hierarchies in both lists; a group whose hierarchy is not in `to` stays as it is.
 * @throws KumiteError `cgroup/failed` when the groups do not become empty
 */
export async function moveProcesses(os: Os, from: readonly string[], to: readonly string[]): Promise<void> {
  const roots = hierarchiesIn(await os.mounts.table()).map(({ directory }) => directory);
  for (const root of roots) {
    const source = from.find((directory) => isBelow(root, directory));
    const target = to.find((directory) => isBelow(root, directory));
    if (source !== undefined && target !== undefined) await moveAll(os, source, target);
  }
}

async function moveAll(os: Os, source: string, target: string): Promise<void> {
  for (let round = 1; round <= maxRounds; round++) {
    const pids = (await os.files.readText(`${source}/cgroup.procs`)).split("\n").filter((line) => line !== "");
    if (pids.length === 0) return;
    for (const pid of pids) {
      try {
        await os.files.write(`${target}/cgroup.procs`, pid);
      } catch (error) {
        // It has ended meanwhile.
        if (!isSystemError(error, "ESRCH")) throw error;
      }
    }
  }
  throw new KumiteError("cgroup/failed", `cgroup ${source} does not become empty`, { data: { cgroup: source } });
}
