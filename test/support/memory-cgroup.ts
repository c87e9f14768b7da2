/** A memory cgroup on this host, in either version of cgroups. */
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { type TestCgroup, testCgroup } from "./test-cgroup.ts";

export const memoryHierarchy: string =
  ["/sys/fs/cgroup/memory", "/sys/fs/cgroup"].find((one) => existsSync(`${one}/cgroup.procs`)) ?? "";

const isVersion1 = memoryHierarchy.endsWith("/memory");

export const memoryLimitFile: string = isVersion1 ? "memory.limit_in_bytes" : "memory.max";
export const memoryUsageFile: string = isVersion1 ? "memory.usage_in_bytes" : "memory.current";

/** A group whose limit cannot be exceeded by swapping, even if the host could swap. */
export async function memoryCgroup(name: string): Promise<TestCgroup> {
  const group = await testCgroup(memoryHierarchy, name);
  try {
    // Child groups inherit either setting. A kernel without swapping has neither.
    const swapping = path.join(group.path, isVersion1 ? "memory.swappiness" : "memory.swap.max");
    if (existsSync(swapping)) await writeFile(swapping, "0");
  } catch (error) {
    await group[Symbol.asyncDispose]();
    throw error;
  }
  return group;
}
