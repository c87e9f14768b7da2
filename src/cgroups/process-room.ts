/** Checks that a cgroup allows enough processes, since a program that reaches the limit hangs or fails obscurely. */
import type { Os } from "../sys/os.ts";
import { isSystemError, KumiteError } from "../util/errors.ts";
import { dirName } from "../util/path.ts";
import { hierarchiesIn } from "./hierarchies.ts";

/** The shim's Node starts this many threads, and waits forever for a thread that it cannot start. */
export const shimProcesses = 12;

/**
 * Checks the cgroups and all above them, whose limits (`pids.max`) apply to everything below.
 *
 * @param directories one per hierarchy; those without a limit for processes are skipped
 * @throws KumiteError `cgroup/failed`
 */
export async function expectRoomForProcesses(os: Os, directories: readonly string[], needed: number): Promise<void> {
  const roots = new Set(hierarchiesIn(await os.mounts.table()).map(({ directory }) => directory));
  for (const directory of directories) {
    for (let at = directory; at !== "/" && !roots.has(at); at = dirName(at)) {
      const limit = await numberIn(os, `${at}/pids.max`);
      if (limit === undefined) break;
      const room = limit - ((await numberIn(os, `${at}/pids.current`)) ?? 0);
      if (room < needed) throw tooFew(at, limit, room, needed);
    }
  }
}

/** `undefined` if the file does not exist; `max` is infinite. */
async function numberIn(os: Os, file: string): Promise<number | undefined> {
  try {
    const text = (await os.files.readText(file)).trim();
    return text === "max" ? Number.POSITIVE_INFINITY : Number(text);
  } catch (error) {
    if (isSystemError(error, "ENOENT")) return undefined;
    throw error;
  }
}

function tooFew(cgroup: string, limit: number, room: number, needed: number): KumiteError {
  const left = `${Math.max(room, 0)} more of at most ${limit} processes and threads`;
  return new KumiteError("cgroup/failed", `cgroup ${cgroup} allows ${left}, but the shim alone needs ${needed}`, {
    phase: "cgroup.room",
    hint: "raise pids.max of this cgroup, or stop processes that run in it",
    data: { cgroup, limit, room, needed },
  });
}
