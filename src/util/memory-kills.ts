/** Whether the kernel has killed in a cgroup because its memory was used up: the reason of a SIGKILL that nobody sent. */

/** Of version 1 and of version 2; both count the kills of the group's own processes. */
const files = ["memory.oom_control", "memory.events"];

/** `undefined`, or the words to be added to how a process ended. What cannot be read has killed nobody. */
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
