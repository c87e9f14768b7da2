/** The number of CPUs that this process may use. */
import type { Os } from "../sys/os.ts";

/** From the affinity mask in proc(5), which cpusets and taskset(1) narrow; at least 1. */
export async function hostCpus(os: Os): Promise<number> {
  const status = await os.files.readText("/proc/self/status");
  const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(status)?.[1] ?? "0";
  return Math.max(1, countCpus(list));
}

/** `0-3,8` is 5 CPUs. */
export function countCpus(list: string): number {
  return list.split(",").reduce((count, range) => {
    const [first, last = first] = range.split("-").map(Number);
    return first === undefined || last === undefined || Number.isNaN(last - first) ? count : count + last - first + 1;
  }, 0);
}
