/** Whether the kernel killed a process of a cgroup for lack of memory. Explains a SIGKILL without a sender. */

/** The files of version 1 and version 2; both count the kills of the cgroup's own processes. */
const files = ["memory.oom_control", "memory.events"];

/** `undefined`, or text to append to how a process ended. Unreadable files are taken as no kill. */
export async function memoryKillIn(
  readText: (path: string) => Promise<string>,
  cgroups: readonly string[],
): Promise<string | undefined> {
  for (const path of cgroups.flatMap((group) => files.map((file) => `${group}/${file}`))) {
    const text = await readText(path).catch(() => "");
    if (/^oom_kill [1-9]/m.test(text)) return `the memory of its cgroup was used up (${path})`;
  }
  return undefined;
}
