/**
 * The version 2 hierarchy as the agent uses it. Containers get cgroups with the controllers enabled all the way down;
 * the agent itself stays in a leaf, because a cgroup that distributes controllers cannot have processes.
 */
import { mkdir } from "../../sys/linux/directory.ts";
import { readFileText, writeKernelFile } from "../../sys/linux/whole-file.ts";
import { isSystemError } from "../../util/errors.ts";
import { agentCgroup } from "../spec/cgroup-path.ts";

/** Where the agent mounts the hierarchy, in a machine and in the namespaces of the process driver alike. */
export const cgroupRoot = "/sys/fs/cgroup";

/** What containers are limited and measured by. */
const wanted: ReadonlySet<string> = new Set(["cpuset", "cpu", "io", "memory", "hugetlb", "pids"]);

/** Moves the agent into its leaf and lets the root distribute what the kernel offers; returns what is missing of it. */
export function prepareHierarchy(): readonly string[] {
  makeDirectory(`${cgroupRoot}${agentCgroup}`);
  writeKernelFile(`${cgroupRoot}${agentCgroup}/cgroup.procs`, "0");
  return enableControllers(cgroupRoot);
}

/** Lets the children of this cgroup have its controllers; returns those that the kernel refused. */
export function enableControllers(directory: string): readonly string[] {
  const available = words(`${directory}/cgroup.controllers`).filter((name) => wanted.has(name));
  const enabled = new Set(words(`${directory}/cgroup.subtree_control`));
  const missing = available.filter((name) => !enabled.has(name));
  if (missing.length === 0 || tryEnable(directory, missing)) return [];
  // One that cannot be had must not keep the others away.
  return missing.filter((name) => !tryEnable(directory, [name]));
}

function tryEnable(directory: string, names: readonly string[]): boolean {
  try {
    writeKernelFile(`${directory}/cgroup.subtree_control`, names.map((name) => `+${name}`).join(" "));
    return true;
  } catch (error) {
    if (isSystemError(error)) return false;
    throw error;
  }
}

/** True when it was made, false when it was there. */
export function makeDirectory(path: string): boolean {
  try {
    mkdir(path, 0o755);
    return true;
  } catch (error) {
    if (isSystemError(error, "EEXIST")) return false;
    throw error;
  }
}

function words(file: string): string[] {
  return readFileText(file)
    .split(/\s+/)
    .filter((word) => word !== "");
}
