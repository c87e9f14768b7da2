/** Where this host counts memory of cgroups, in either version of them. */
import { existsSync } from "node:fs";

export const memoryHierarchy: string =
  ["/sys/fs/cgroup/memory", "/sys/fs/cgroup"].find((one) => existsSync(`${one}/cgroup.procs`)) ?? "";

const isVersion1 = memoryHierarchy.endsWith("/memory");

export const memoryLimitFile: string = isVersion1 ? "memory.limit_in_bytes" : "memory.max";
export const memoryUsageFile: string = isVersion1 ? "memory.usage_in_bytes" : "memory.current";
