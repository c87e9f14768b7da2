/** What to do about a guest that did not answer in time because the host's processors were busy with other work. */
import type { Os } from "../sys/os.ts";

/** USER_HZ, in which proc(5) counts. */
const ticksPerSecond = 100;

/**
 * Call it while the VM still runs.
 * @param pid of the VMM
 * @returns `undefined` unless a thread of it is ready to run, and they have all together run for less than half of the
 * time
 */
export async function busyHint(os: Os, pid: number, elapsedMs: number): Promise<string | undefined> {
  const threads = await threadsOf(os, pid);
  const ranS = threads.reduce((sum, { ticks }) => sum + ticks, 0) / ticksPerSecond;
  const elapsedS = elapsedMs / 1000;
  if (!threads.some(({ state }) => state === "R") || ranS >= elapsedS / 2) return undefined;
  const why = `the host is busy, and gave the VM ${ranS.toFixed(1)} s of a processor in ${elapsedS.toFixed(1)} s`;
  return `${why}: start fewer VMs at once, or set a longer dial_timeout in [agent.kata]`;
}

async function threadsOf(os: Os, pid: number): Promise<{ readonly state: string; readonly ticks: number }[]> {
  const directory = `/proc/${pid}/task`;
  // The process, or a thread of it, may have ended.
  const names = await os.files.list(directory).catch(() => []);
  const texts = await Promise.all(names.map((name) => os.files.readText(`${directory}/${name}/stat`).catch(() => "")));
  return texts.flatMap((text) => {
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    const ticks = Number(fields[11]) + Number(fields[12]);
    return Number.isNaN(ticks) ? [] : [{ state: fields[0] ?? "", ticks }];
  });
}
