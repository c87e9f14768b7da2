/**
 * Kills the processes of cgroups and removes the cgroups, in any hierarchy: by `cgroup.kill` where the kernel has it
 * (v2), otherwise one process after the other (v1).
 */
import type { Os, ProcessId } from "../sys/os.ts";
import { isSystemError } from "../util/errors.ts";
import { retry } from "../util/retry.ts";
import { signalNumbers } from "../util/signals.ts";
import { listOrNothing } from "./list-directory.ts";
import { missingIsFine } from "./missing-is-fine.ts";

const maxListBytes = 4 * 1024 * 1024;

/** Kills everything in the cgroup and below it, and removes both. A missing cgroup is a success. */
export async function removeCgroup(os: Os, path: string, signal: AbortSignal): Promise<void> {
  await retry(
    async () => {
      const directories = await deepestFirst(os, path);
      // Kill in all of them before removing the first: threads in one may belong to processes in another.
      for (const directory of directories) await killMembers(os, directory, signal);
      for (const directory of directories) await removeEmpty(os, directory);
    },
    // An exiting process stays a member until it has released its memory.
    { what: `emptying ${path}`, timeoutMs: 8000, signal, retryIf: (error) => isSystemError(error, "EBUSY") },
  );
}

/** Removes a cgroup that others may use, only if it is empty and the file system is writable. */
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

/** Also catches processes that are being forked. Kernels before 5.14 and v1 hierarchies do not have the file. */
async function killAtOnce(os: Os, directory: string): Promise<void> {
  const file = `${directory}/cgroup.kill`;
  if ((await os.files.status(file)) !== undefined) await os.files.write(file, "1");
}

/**
 * The identity of a member. The cgroup is read again after the process's start time is known, because a pid that was
 * reused elsewhere in between must not be killed.
 */
async function stillMember(os: Os, directory: string, pid: number): Promise<ProcessId | undefined> {
  const process = await os.processes.info(pid);
  if (process === undefined || process.state === "Z") return undefined;
  if (!(await membersOf(os, directory)).includes(pid)) return undefined;
  return { pid, startTicks: process.startTicks };
}

/** Pids; empty if the cgroup does not exist. */
export async function membersOf(os: Os, directory: string): Promise<number[]> {
  try {
    const text = await os.files.readText(`${directory}/cgroup.procs`, maxListBytes);
    // 0 stands for a process outside our pid namespace, which we cannot kill either.
    return text
      .split("\n")
      .map(Number)
      .filter((pid) => pid > 0);
  } catch (error) {
    // A threaded cgroup contains only threads; their processes are members of a cgroup above.
    if (isSystemError(error, "ENOENT", "ENODEV", "EOPNOTSUPP")) return [];
    throw error;
  }
}
