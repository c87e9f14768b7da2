/**
 * Killing and removing cgroup directories. Works on any hierarchy: `cgroup.kill` where the kernel has it (v2), one
 * process after the other where it has not (v1).
 */
import type { Os, ProcessId } from "../sys/os.ts";
import { isSystemError } from "../util/errors.ts";
import { retry } from "../util/retry.ts";
import { signalNumbers } from "../util/signals.ts";
import { listOrNothing } from "./list-directory.ts";
import { missingIsFine } from "./missing-is-fine.ts";

const maxListBytes = 4 * 1024 * 1024;

/** Kills everything in the cgroup and those below it, and removes them. A missing one is a success. */
export async function removeCgroup(os: Os, path: string, signal: AbortSignal): Promise<void> {
  await retry(
    async () => {
      const directories = await deepestFirst(os, path);
      // All of them before the first is removed: the threads of one may belong to processes of another.
      for (const directory of directories) await killMembers(os, directory, signal);
      for (const directory of directories) await removeEmpty(os, directory);
    },
    // A process that ends stays a member until it let go of its memory.
    { what: `emptying ${path}`, timeoutMs: 8000, signal, retryIf: (error) => isSystemError(error, "EBUSY") },
  );
}

/** Removes a cgroup that others may use: only when nothing is in it and nothing below, and where groups can be removed. */
export async function removeCgroupParent(os: Os, path: string): Promise<void> {
  try {
    await removeEmpty(os, path);
  } catch (error) {
    if (!isSystemError(error, "EBUSY", "ENOTEMPTY", "EROFS")) throw error;
  }
}

async function deepestFirst(os: Os, path: string): Promise<string[]> {
  const below: string[] = [];
  for (const name of await listOrNothing(os, path)) {
    const child = `${path}/${name}`;
    if ((await os.files.linkStatus(child))?.kind === "directory") below.push(...(await deepestFirst(os, child)));
  }
  return [...below, path];
}

function removeEmpty(os: Os, path: string): Promise<void> {
  return missingIsFine(os, path, os.files.removeDir(path));
}

async function killMembers(os: Os, directory: string, signal: AbortSignal): Promise<void> {
  const members = await membersOf(os, directory);
  if (members.length === 0) return;
  await killAtOnce(os, directory);
  const killed: ProcessId[] = [];
  for (const pid of members) {
    const id = await stillMember(os, directory, pid);
    if (id !== undefined && (await os.processes.signal(id, signalNumbers.SIGKILL))) killed.push(id);
  }
  for (const id of killed) await os.processes.waitGone(id, signal);
}

/** Also catches processes that are being forked; kernels before 5.14 and v1 hierarchies have no such file. */
async function killAtOnce(os: Os, directory: string): Promise<void> {
  const file = `${directory}/cgroup.kill`;
  if ((await os.files.status(file)) !== undefined) await os.files.write(file, "1");
}

/**
 * The identity of a member. Its pid is looked for in the cgroup once more after its start time is known: a pid that
 * was used again for a process elsewhere in between must not be killed.
 */
async function stillMember(os: Os, directory: string, pid: number): Promise<ProcessId | undefined> {
  const process = await os.processes.info(pid);
  if (process === undefined || process.state === "Z") return undefined;
  if (!(await membersOf(os, directory)).includes(pid)) return undefined;
  return { pid, startTicks: process.startTicks };
}

/** Pids; none where there is no such cgroup. */
export async function membersOf(os: Os, directory: string): Promise<number[]> {
  try {
    const text = await os.files.readText(`${directory}/cgroup.procs`, maxListBytes);
    // 0 stands for a process outside our pid namespace, which we could not kill either.
    return text
      .split("\n")
      .map(Number)
      .filter((pid) => pid > 0);
  } catch (error) {
    // A threaded group has threads only, of processes that are members above.
    if (isSystemError(error, "ENOENT", "ENODEV", "EOPNOTSUPP")) return [];
    throw error;
  }
}
