/** `Os` over the small engine. Only main.ts files and tests choose it. */
import { getrandom } from "../linux/random.ts";
import { CLOCK_MONOTONIC, CLOCK_REALTIME, clockMs } from "../linux/time.ts";
import type { Os } from "../os.ts";
import { engineFiles } from "./files.ts";
import { engineMounts } from "./mounts.ts";
import { engineProcesses } from "./processes.ts";
import { engineSelf } from "./self.ts";
import { engineSockets } from "./sockets.ts";
import { engineTerminals } from "./terminals.ts";

export function engineOs(): Os {
  return {
    files: engineFiles,
    processes: engineProcesses,
    sockets: engineSockets,
    mounts: engineMounts,
    terminals: engineTerminals,
    self: engineSelf(),
    clock: { now: () => clockMs(CLOCK_REALTIME), monotonic: () => clockMs(CLOCK_MONOTONIC) },
    random: getrandom,
  };
}
