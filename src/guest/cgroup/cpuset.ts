/**
 * Processors and memory nodes that a container is bound to: only those that the machine has. A specification is often
 * written for a host with more of them.
 */
import { readFileText } from "../../sys/linux/whole-file.ts";
import { isSystemError, KumiteError } from "../../util/errors.ts";
import { splitByPresence } from "../spec/number-list.ts";
import type { CgroupSetting } from "../spec/plan.ts";

/** Files of settings that are such sets, and where the machine says what it has. */
const sets: ReadonlyMap<string, { readonly online: string; readonly what: string }> = new Map([
  ["cpuset.cpus", { online: "/sys/devices/system/cpu/online", what: "processor" }],
  ["cpuset.mems", { online: "/sys/devices/system/node/online", what: "memory node" }],
]);

/** @throws KumiteError `cgroup/failed` when nothing of a set is there, or it is no set */
export function fitToMachine(
  settings: readonly CgroupSetting[],
  notApplied: (phrase: string) => void,
): readonly CgroupSetting[] {
  if (!settings.some(({ file }) => sets.has(file))) return settings;
  return settings.map((setting) => fit(setting, notApplied));
}

function fit(setting: CgroupSetting, notApplied: (phrase: string) => void): CgroupSetting {
  const { key, file, value } = setting;
  const set = sets.get(file);
  if (set === undefined) return setting;
  const online = readOnline(set.online);
  const split = splitByPresence(value, online);
  if (split === undefined) throw failed(setting, `${JSON.stringify(value)} is no list of numbers such as 0-3,7`);
  if (split.kept === "") {
    throw failed(setting, `the virtual machine has no ${set.what} ${split.missing}, only ${online}`);
  }
  if (split.missing === "") return setting;
  notApplied(`${key}: ${split.missing}, which the virtual machine does not have`);
  return { ...setting, value: split.kept };
}

/** A kernel without memory nodes has them all in one. */
function readOnline(file: string): string {
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
