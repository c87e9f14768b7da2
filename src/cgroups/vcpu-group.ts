/**
 * The cgroup of the vCPU threads, below that of the VM. It limits a guest's CPU time on the host. It does not contain
 * the VMM's I/O threads. In version 1, threads can be in cgroups of their own. In version 2 the cgroup is threaded, and
 * the VM's cgroup becomes the domain of both.
 */
import type { Os } from "../sys/os.ts";
import { isSystemError, KumiteError } from "../util/errors.ts";
import { dirName } from "../util/path.ts";
import { type CpuLimit, enforceable } from "./cpu-limit.ts";
import { hierarchiesIn } from "./hierarchies.ts";

const groupName = "vcpu";

/** The files of the cgroup, which differ between versions. */
interface Group {
  readonly version: 1 | 2;
  readonly directory: string;
  readonly threads: string;
}

export type LimitResult =
  | { readonly kind: "limited"; readonly directory: string }
  | { readonly kind: "unlimited" }
  /** Only the guest enforces the limit. `why` is a phrase such as "this host has no cpu controller". */
  | { readonly kind: "not-enforced"; readonly why: string };

/**
 * Moves the threads into the cgroup and sets the limit; without a limit, removes an earlier one.
 *
 * @param machine cgroups of the VM, one per hierarchy, from `machineCgroupsIn`
 * @param threads read shortly before; threads that have ended since are skipped
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
  if (place === undefined) return { kind: "not-enforced", why: "the sandbox's cgroups have no cpu controller" };
  try {
    if (!(await make(os, place)))
      return { kind: "not-enforced", why: "the cpu controller is not delegated to the sandbox's cgroup" };
    await setLimit(os, place, enforceable(limit));
    for (const thread of threads) if (thread > 0) await addThread(os, place, thread);
  } catch (error) {
    // A cgroup above allows less than this limit, so that one applies.
    if (isSystemError(error, "EINVAL")) return { kind: "not-enforced", why: "a parent cgroup has a lower limit" };
    if (!isSystemError(error)) throw error;
    throw new KumiteError("cgroup/failed", `cannot limit the VM's CPU time in cgroup ${place.directory}`, {
      phase: "cgroup.limit",
      data: { cgroup: place.directory, ...limit },
      cause: error,
    });
  }
  return { kind: "limited", directory: place.directory };
}

/** Uses the hierarchy that has the controller. If that is version 1, version 2 does not have it. */
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

/** @returns false if the controller is not available this far down */
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

/**
 * Enables the controller from the root down to this directory. A cgroup that has processes of its own cannot enable it,
 * nor one that Kumite may not change.
 */
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

/**
 * The root may have processes. For other cgroups the kernel would accept this controller, but then cgroups below would
 * be unusable.
 */
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
  // The kernel checks each value against the current other one; "no limit" is valid with every period.
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
