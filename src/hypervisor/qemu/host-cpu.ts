/** What proc(5) says of the host's processor that matters to a guest. */
import type { Os } from "../../sys/os.ts";

/**
 * Frequency of the time-stamp counter, which an emulated CPU shares with the host's; `undefined` when the host does not
 * tell. Linux computes `bogomips` from it, where `cpu MHz` follows frequency scaling.
 */
export async function tscFrequencyKhz(os: Os): Promise<number | undefined> {
  const bogomips = Number(/^bogomips\s*:\s*([\d.]+)$/m.exec(await os.files.readText("/proc/cpuinfo"))?.[1]);
  return bogomips > 0 ? Math.round(bogomips * 500) : undefined;
}

/** Whether the host is itself a guest of a hypervisor. */
export async function isNested(os: Os): Promise<boolean> {
  return /^flags\s*:.*\bhypervisor\b/m.test(await os.files.readText("/proc/cpuinfo"));
}
