/**
 * The cgroup of the threads that run vCPUs, below that of the machine: what limits the CPU time of a guest on the host.
 * Threads of the VMM that move data are not in it. In version 1 threads are in groups of their own; in version 2 the
 * group is threaded, and the machine's own becomes the domain of both.
 */
import type { Os } from "../sys/os.ts";
import { isSystemError, KumiteError } from "../util/errors.ts";
import { dirName } from "../util/path.ts";
import { type CpuLimit, enforceable } from "./cpu-limit.ts";
import { hierarchiesIn } from "./hierarchies.ts";

const groupName = "vcpu";

/** Where the kernel wants what, in each version. */
interface Group {
  readonly version: 1 | 2;
  readonly directory: string;
  readonly threads: string;
}

export type LimitResult =
  | { readonly kind: "limited"; readonly directory: string }
  | { readonly kind: "unlimited" }
  /** The limit holds in the guest alone. `why` goes on: "this host has no cpu controller". */
  | { readonly kind: "not-enforced"; readonly why: string };

/**
 * Puts the threads into their group and gives it the limit; without one, takes an earlier limit away.
 *
 * @param machine cgroups of the machine, one per hierarchy, of `machineCgroupsIn`
 * @param threads asked for a moment ago: those that have ended since are passed over
 * @throws KumiteError `cgroup/failed`
 */
export async function limitVcpus(
  os: Os,
  machine: readonly string[],
  threads: readonly number[],
  limit: CpuLimit | undefined,
): Promise<LimitResult> {
  const place = await placeFor(os, machine);
  if (limit === undefined) {
    if (place !== undefined && (await os.files.status(place.directory)) !== undefined)
      await setLimit(os, place, undefined);
    return { kind: "unlimited" };
  }
  if (place === undefined) return { kind: "not-enforced", why: "no cpu controller for the cgroups of the sandbox" };
  try {
    if (!(await make(os, place)))
      return { kind: "not-enforced", why: "the cpu controller is not passed on to the sandbox" };
    await setLimit(os, place, enforceable(limit));
    for (const thread of threads) if (thread > 0) await addThread(os, place, thread);
  } catch (error) {
    // A group above allows less than this one would: then that is the limit.
    if (isSystemError(error, "EINVAL")) return { kind: "not-enforced", why: "a cgroup above it is limited to less" };
    if (!isSystemError(error)) throw error;
    throw new KumiteError("cgroup/failed", `cgroup ${place.directory}: the VM's CPU time cannot be limited`, {
      phase: "cgroup.limit",
      data: { cgroup: place.directory, ...limit },
      cause: error,
    });
  }
  return { kind: "limited", directory: place.directory };
}

/** In the hierarchy that has the controller: with version 1 it is nowhere else. */
async function placeFor(os: Os, machine: readonly string[]): Promise<Group | undefined> {
  for (const parent of machine) {
    if ((await os.files.status(`${parent}/cpu.cfs_quota_us`)) === undefined) continue;
    const directory = `${parent}/${groupName}`;
    return { version: 1, directory, threads: `${directory}/tasks` };
  }
  for (const parent of machine) {
    const roots = hierarchiesIn(await os.mounts.table()).filter(({ version }) => version === 2);
    const root = roots.find(({ directory }) => parent.startsWith(`${directory}/`));
    if (root === undefined || !(await hasCpu(os, `${root.directory}/cgroup.controllers`))) continue;
    const directory = `${parent}/${groupName}`;
    return { version: 2, directory, threads: `${directory}/cgroup.threads` };
  }
  return undefined;
}

/** @returns false when the controller stops somewhere above */
async function make(os: Os, group: Group): Promise<boolean> {
  if ((await os.files.status(group.directory)) !== undefined) return true;
  const parent = dirName(group.directory);
  if (group.version === 2 && !(await passOn(os, parent))) return false;
  await os.files.makeDir(group.directory, 0o755);
  if (group.version === 2) {
    await os.files.write(`${group.directory}/cgroup.type`, "threaded");
    await os.files.write(`${parent}/cgroup.subtree_control`, "+cpu");
  }
  return true;
}

/** From the root down to this directory. A group that has processes of its own cannot, nor one of somebody else's. */
async function passOn(os: Os, directory: string): Promise<boolean> {
  if (await hasCpu(os, `${directory}/cgroup.controllers`)) return true;
  const above = dirName(directory);
  if ((await os.files.status(`${above}/cgroup.subtree_control`)) === undefined) return false;
  if (!(await passOn(os, above)) || (await hasOwnProcesses(os, above))) return false;
  try {
    await os.files.write(`${above}/cgroup.subtree_control`, "+cpu");
  } catch (error) {
    if (isSystemError(error)) return false;
    throw error;
  }
  return hasCpu(os, `${directory}/cgroup.controllers`);
}

/** The root may have them all the same. The kernel would let this controller through, and what is below be unusable. */
async function hasOwnProcesses(os: Os, directory: string): Promise<boolean> {
  if ((await os.files.status(`${directory}/cgroup.type`)) === undefined) return false;
  return (await os.files.readText(`${directory}/cgroup.procs`)).trim() !== "";
}

async function hasCpu(os: Os, file: string): Promise<boolean> {
  try {
    return (await os.files.readText(file)).trim().split(/\s+/).includes("cpu");
  } catch (error) {
    if (isSystemError(error, "ENOENT")) return false;
    throw error;
  }
}

async function setLimit(os: Os, { version, directory }: Group, limit: CpuLimit | undefined): Promise<void> {
  if (version === 2) {
    await os.files.write(`${directory}/cpu.max`, limit === undefined ? "max" : `${limit.quotaUs} ${limit.periodUs}`);
    return;
  }
  // The kernel checks each value with the other one as it is: no limit goes with every period.
  await os.files.write(`${directory}/cpu.cfs_quota_us`, "-1");
  if (limit === undefined) return;
  await os.files.write(`${directory}/cpu.cfs_period_us`, String(limit.periodUs));
  await os.files.write(`${directory}/cpu.cfs_quota_us`, String(limit.quotaUs));
}

async function addThread(os: Os, { threads }: Group, thread: number): Promise<void> {
  try {
    await os.files.write(threads, String(thread));
  } catch (error) {
    if (!isSystemError(error, "ESRCH")) throw error;
  }
}
