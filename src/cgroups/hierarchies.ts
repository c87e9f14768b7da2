/** The cgroup hierarchies that this host uses, from its mount table. Pure: creates and examines nothing. */
import type { MountEntry } from "../sys/os.ts";

export interface Hierarchy {
  /** Its mount point. */
  readonly directory: string;
  readonly version: 1 | 2;
}

/** The v1 controllers that account or limit a sandbox's processes. Not cpuset, whose new cgroups accept no process. */
const controllersInUse = ["memory", "cpu", "cpuacct", "pids", "blkio", "freezer"];

/** Each hierarchy once, however often it is mounted. On a hybrid host the unified one comes last. */
export function hierarchiesIn(mounts: readonly MountEntry[]): Hierarchy[] {
  const found = new Map<string, Hierarchy>();
  for (const { type, target, options } of mounts) {
    if (type === "cgroup") {
      const controllers = controllersInUse.filter((name) => options.includes(name));
      const key = controllers.join();
      if (key !== "" && !found.has(key)) found.set(key, { directory: target, version: 1 });
    }
  }
  const unified = mounts.find((mount) => mount.type === "cgroup2");
  return [...found.values(), ...(unified === undefined ? [] : [{ directory: unified.target, version: 2 as const }])];
}
