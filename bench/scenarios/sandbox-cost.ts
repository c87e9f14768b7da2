/** CPU time of a sandbox's own processes: everything in its cgroups except QEMU. */
import { sandboxProcesses } from "../../test/support/sandbox.ts";
import { cpuSeconds } from "../process-cost.ts";

/** In seconds, without processes that have ended already. */
export function ownCost(id: string): number {
  const found = [...sandboxProcesses(id)].filter(([role]) => role !== "qemu").flatMap(([, pids]) => pids);
  return found.reduce((sum, pid) => sum + cpuSeconds(pid), 0);
}
