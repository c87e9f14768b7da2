/** Moves all processes of one cgroup to another of the same hierarchy. */
import type { Os } from "../sys/os.ts";
import { isSystemError, KumiteError } from "../util/errors.ts";
import { isBelow } from "../util/path.ts";
import { hierarchiesIn } from "./hierarchies.ts";

/** While processes are moved, new ones may be forked in the old cgroup. */
const maxRounds = 50;

/**
 * Moves the processes between cgroups of the same hierarchy. A cgroup whose hierarchy is not in `to` is left alone.
 * @throws KumiteError `cgroup/failed` if a cgroup does not become empty
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
        // The process has ended meanwhile.
        if (!isSystemError(error, "ESRCH")) throw error;
      }
    }
  }
  throw new KumiteError("cgroup/failed", `cgroup ${source} still has processes`, { data: { cgroup: source } });
}
