/** The facts in /proc/cpuinfo that matter to a guest. */
import type { Os } from "../../sys/os.ts";

/**
 * Frequency of the time-stamp counter, which is the same in an emulated CPU; `undefined` if the host does not report
 * it. Linux computes `bogomips` from it, whereas `cpu MHz` follows frequency scaling.
 */
export async function tscFrequencyKhz(os: Os): Promise<number | undefined> {
  const bogomips = Number(/^bogomips\s*:\s*([\d.]+)$/m.exec(await os.files.readText("/proc/cpuinfo"))?.[1]);
  return bogomips > 0 ? Math.round(bogomips * 500) : undefined;
}

/** Whether the host is itself a VM. */
export async function isNested(os: Os): Promise<boolean> {
  return /^flags\s*:.*\bhypervisor\b/m.test(await os.files.readText("/proc/cpuinfo"));
}
