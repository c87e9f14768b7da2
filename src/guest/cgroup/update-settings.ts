/**
 * Changes the settings of a cgroup that is in use, all or none: if one fails, the values written before are restored.
 */
import { readFileText } from "../../sys/linux/whole-file.ts";
import { isSystemError, messageOf } from "../../util/errors.ts";
import type { Logger } from "../../util/log.ts";
import type { CgroupSetting } from "../spec/plan.ts";
import { applySetting, type SettingOptions } from "./apply-setting.ts";
import type { ContainerCgroup } from "./container-cgroup.ts";
import { fitToMachine } from "./cpuset.ts";

/** The parts of a container's cgroup that are needed here. */
type Changeable = Pick<ContainerCgroup, "directory" | "enableControllersOf">;

interface Written {
  readonly file: string;
  /** The text that restores the previous value. */
  readonly before: string;
}

/** @throws KumiteError `cgroup/failed` */
export function updateSettings(
  cgroup: Changeable,
  settings: readonly CgroupSetting[],
  options: SettingOptions,
  log: Logger,
): void {
  const { directory } = cgroup;
  const fitting = fitToMachine(settings, options.notApplied);
  cgroup.enableControllersOf(fitting);
  const done: Written[] = [];
  try {
    for (const setting of fitting) {
      const before = new Map(filesOf(setting).map((file) => [file, currentText(directory, file)]));
      const written = applySetting(directory, setting, options);
      const old = written && before.get(written.file);
      if (written !== undefined && old !== undefined) {
        done.push({ file: written.file, before: valueBefore(written.file, written.value, old) });
      }
    }
  } catch (error) {
    for (const { file, before } of done.reverse()) restore(directory, file, before, options, log);
    throw error;
  }
}

/** `undefined` when there is no such file or it cannot be read. */
export function currentText(directory: string, file: string): string | undefined {
  try {
    return readFileText(`${directory}/${file}`).trim();
  } catch (error) {
    if (isSystemError(error, "ENOENT", "EACCES", "EINVAL", "EOPNOTSUPP")) return undefined;
    throw error;
  }
}

function filesOf({ file, instead }: CgroupSetting): string[] {
  return instead === undefined ? [file] : [file, instead.file];
}

/** The line of a device for which nothing has been set. */
const deviceDefaults: Readonly<Record<string, string>> = {
  "io.max": "rbps=max wbps=max riops=max wiops=max",
  "io.weight": "default",
  "io.bfq.weight": "default",
  "rdma.max": "hca_handle=max hca_object=max",
};

/** Some files have one line for each device; only the line of the written device is restored. */
function valueBefore(file: string, written: string, old: string): string {
  const [device = ""] = written.split(" ");
  const unset = deviceDefaults[file];
  const lines = old.split("\n");
  if (unset === undefined) return old;
  if (written === device) return lines.find((line) => line.startsWith("default ")) ?? old;
  return lines.find((line) => line.startsWith(`${device} `)) ?? `${device} ${unset}`;
}

/** The newline is needed because the kernel ignores a write of zero bytes. */
function restore(directory: string, file: string, before: string, options: SettingOptions, log: Logger): void {
  try {
    applySetting(directory, { key: file, file, value: `${before}\n` }, options);
  } catch (error) {
    log.error("a limit could not be restored after a failed update", { directory, file, error: messageOf(error) });
  }
}
