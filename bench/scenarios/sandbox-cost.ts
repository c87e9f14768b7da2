/** CPU time of a sandbox's own processes: everything in its cgroups but QEMU. */
import { sandboxProcesses } from "../../test/support/sandbox.ts";
import { cpuSeconds } from "../process-cost.ts";

/** In seconds; what has ended already is not in it. */
export function ownCost(id: string): number {
  const found = [...sandboxProcesses(id)].filter(([role]) => role !== "qemu").flatMap(([, pids]) => pids);
  return found.reduce((sum, pid) => sum + cpuSeconds(pid), 0);
}
