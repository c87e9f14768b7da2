/** `Processes` over Node: children are started by `kumite-launch`, and signalled through pidfds by the helper. */
import type { Processes, ProcessId } from "../os.ts";
import type { Companions } from "./companions.ts";
import type { HelperClient } from "./helper-client.ts";
import { processInfo } from "./process-table.ts";
import { spawn } from "./spawn.ts";

export function nodeProcesses(launcher: string, helper: HelperClient, companions?: Companions): Processes {
  return {
    spawn: async (request) => (await companions?.take(request)) ?? (await spawn(launcher, request)),
    spawnLater: async (birth, program) => await spawn(launcher, { ...(await program), ...birth }),
    ...(companions && { expect: (requests) => companions.expect(requests) }),
    info: processInfo,
    signal: (id, signal) => helper.signal(id, signal),
    waitGone: (id, signal) => waitGone(helper, id, signal),
    keepEnded: () => ({ [Symbol.dispose]: () => {} }),
  };
}

async function waitGone(helper: HelperClient, id: ProcessId, signal: AbortSignal | undefined): Promise<void> {
  // Usually the process is gone already, so the helper is not needed.
  const info = await processInfo(id.pid);
  if (info === undefined || info.startTicks !== id.startTicks || info.state === "Z") return;
  await helper.waitGone(id, signal);
}
