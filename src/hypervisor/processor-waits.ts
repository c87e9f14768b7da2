/** How long a VMM wanted a processor and got none, as the kernel counts it. */
import type { Os } from "../sys/os.ts";

/**
 * The longest time that one of the process's threads has been ready to run without a processor, in milliseconds since
 * the thread began. Time in which a CPU limit of its cgroup kept it from running counts. A wait that has not ended yet
 * does not.
 *
 * @returns 0 if the process has ended, or on a kernel without CONFIG_SCHED_INFO
 */
export async function longestWaitMs(os: Os, pid: number): Promise<number> {
  const directory = `/proc/${pid}/task`;
  const names = await os.files.list(directory).catch(() => []);
  const texts = await Promise.all(
    names.map((name) => os.files.readText(`${directory}/${name}/schedstat`).catch(() => "")),
  );
  // Nanoseconds on a processor, nanoseconds of waiting for one, number of times it got one.
  const waits = texts.map((text) => Number(text.split(" ")[1] ?? 0) / 1e6).filter((ms) => !Number.isNaN(ms));
  return Math.max(0, ...waits);
}
