/**
 * Restricts the CPUs and memory nodes that a container is bound to, to those that the VM has. Specifications are often
 * written for a host that has more.
 */
import { readFileText } from "../../sys/linux/whole-file.ts";
import { isSystemError, KumiteError } from "../../util/errors.ts";
import { splitByPresence } from "../spec/number-list.ts";
import type { CgroupSetting } from "../spec/plan.ts";

interface Kind {
  /** Kernel file that lists what is online now. */
  readonly online: string;
  /**
   * Kernel file that lists what can be online. A CPU of the set that is plugged in later belongs to the container from
   * then on.
   */
  readonly possible: string;
  readonly what: string;
}

/** Settings that are such sets, by file. */
const sets: ReadonlyMap<string, Kind> = new Map([
  [
    "cpuset.cpus",
    { online: "/sys/devices/system/cpu/online", possible: "/sys/devices/system/cpu/possible", what: "processor" },
  ],
  [
    "cpuset.mems",
    { online: "/sys/devices/system/node/online", possible: "/sys/devices/system/node/online", what: "memory node" },
  ],
]);

/**
 * Leaves out a set of which the VM has nothing, since it was written for another machine.
 * @throws KumiteError `cgroup/failed` for a value that is not a set
 */
export function fitToMachine(
  settings: readonly CgroupSetting[],
  notApplied: (phrase: string) => void,
): readonly CgroupSetting[] {
  if (!settings.some(({ file }) => sets.has(file))) return settings;
  return settings.flatMap((setting) => fit(setting, notApplied) ?? []);
}

function fit(setting: CgroupSetting, notApplied: (phrase: string) => void): CgroupSetting | undefined {
  const { key, file, value } = setting;
  const set = sets.get(file);
  if (set === undefined) return setting;
  const online = readSet(set.online);
  const now = splitByPresence(value, online);
  const split = splitByPresence(value, readSet(set.possible));
  if (now === undefined || split === undefined) {
    throw failed(setting, `${JSON.stringify(value)} is not a list of numbers such as 0-3,7`);
  }
  if (now.kept === "") {
    notApplied(`${key}: ${value}, none of which the VM has: its ${set.what}s are ${online}`);
    return undefined;
  }
  if (split.missing === "") return setting;
  notApplied(`${key}: ${split.missing}, which the VM does not have`);
  return { ...setting, value: split.kept };
}

/** A kernel without NUMA support has all memory in node 0. */
function readSet(file: string): string {
  try {
    return readFileText(file).trim();
  } catch (error) {
    if (isSystemError(error, "ENOENT")) return "0";
    throw error;
  }
}

function failed({ key }: CgroupSetting, why: string): KumiteError {
  return new KumiteError("cgroup/failed", `${key}: ${why}`, { data: { key } });
}
