/** Writes one setting of a container's cgroup. Errors use the terms of the specification. */
import { readFileText, writeKernelFile } from "../../sys/linux/whole-file.ts";
import { isSystemError, KumiteError } from "../../util/errors.ts";
import type { Logger } from "../../util/log.ts";
import type { CgroupSetting } from "../spec/plan.ts";

export interface SettingOptions {
  /**
   * Called for a setting whose file does not exist, because the kernel lacks the controller or the host uses it in
   * another hierarchy; may throw `why`.
   */
  readonly onMissing: (setting: CgroupSetting, why: KumiteError) => void;
  /** Called for a setting that is accepted but not applied. */
  readonly notApplied: (phrase: string) => void;
}

/** The parts of the agent that decide how settings are applied. */
interface SettingHost {
  readonly log: Logger;
  readonly notices: { notApplied(container: string, phrases: readonly string[]): void };
  readonly missingController: "refuse" | "tell";
}

export function settingOptions({ log, notices, missingController }: SettingHost, id: string): SettingOptions {
  return {
    onMissing: ({ file, value }, why) => {
      if (missingController === "refuse") throw why;
      log.warn("limit not applied: the hierarchy has no such controller", { container: id, file, value });
    },
    notApplied: (phrase) => notices.notApplied(id, [phrase]),
  };
}

/**
 * @returns what was written where; `undefined` when the file does not exist and need not
 * @throws KumiteError `cgroup/failed`
 */
export function applySetting(
  directory: string,
  setting: CgroupSetting,
  { onMissing }: SettingOptions,
): { readonly file: string; readonly value: string } | undefined {
  for (const { file, value } of setting.instead === undefined ? [setting] : [setting, setting.instead]) {
    if (write(directory, setting.key, file, value)) return { file, value };
  }
  if (setting.optional !== true) onMissing(setting, missing(directory, setting));
  return undefined;
}

/** Returns false when there is no such file. */
function write(directory: string, key: string, file: string, value: string): boolean {
  try {
    writeKernelFile(`${directory}/${file}`, value);
    return true;
  } catch (error) {
    if (!isSystemError(error)) throw error;
    if (error.errno === "ENOENT") return false;
    throw new KumiteError("cgroup/failed", `${key}: setting ${file} to ${JSON.stringify(value)}: ${error.message}`, {
      ...(error.errno === "ENODEV" && { hint: "device numbers are those of the VM, not of the host" }),
      data: { key, file, value },
      cause: error,
    });
  }
}

function missing(directory: string, { key, file, value }: CgroupSetting): KumiteError {
  const [controller = ""] = file.split(".");
  const present = readFileText(`${directory}/cgroup.controllers`).trim().split(" ");
  const why = present.includes(controller)
    ? "no such file or directory"
    : `the requested cgroup controller \`${controller}\` is not available`;
  return new KumiteError("cgroup/failed", `${key}: cannot set ${file} to ${JSON.stringify(value)}: ${why}`, {
    data: { key, file, value },
  });
}
