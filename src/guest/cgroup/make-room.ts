/**
 * Has a cgroup give memory back before its limit is lowered. Above what it then has in use a limit can be set; below, the
 * kernel of version 2 would end its processes for it, where that of version 1 refused.
 */
import { writeKernelFile } from "../../sys/linux/whole-file.ts";
import { isSystemError, KumiteError } from "../../util/errors.ts";
import type { CgroupSetting } from "../spec/plan.ts";
import { currentText } from "./update-settings.ts";

/** @throws KumiteError `cgroup/failed` when more than the new limit is in use and stays so */
export function makeRoom(directory: string, settings: readonly CgroupSetting[]): void {
  // Of two settings for one file the later one holds.
  const setting = settings.findLast(({ file }) => file === "memory.max");
  if (setting === undefined || !/^\d+$/.test(setting.value)) return;
  const inUse = BigInt(currentText(directory, "memory.current") ?? "0");
  const excess = inUse - BigInt(setting.value);
  if (excess <= 0n) return;
  try {
    writeKernelFile(`${directory}/memory.reclaim`, String(excess));
  } catch (error) {
    // Linux has the file since 5.19.
    if (isSystemError(error, "ENOENT")) return;
    if (!isSystemError(error, "EAGAIN")) throw error;
    const { key, file, value } = setting;
    throw new KumiteError(
      "cgroup/failed",
      `${key}: ${value} is below what is in use and cannot be given back: ${inUse}`,
      {
        hint: "give a larger limit, or end processes of the container first",
        data: { key, file, value },
        cause: error,
      },
    );
  }
}
