/**
 * Reclaims memory from a cgroup before its limit is lowered. If more memory than the new limit stayed in use, the
 * kernel would kill processes under cgroup v2, where v1 refused the limit.
 */
import { writeKernelFile } from "../../sys/linux/whole-file.ts";
import { isSystemError, KumiteError } from "../../util/errors.ts";
import type { CgroupSetting } from "../spec/plan.ts";
import { currentText } from "./update-settings.ts";

/** @throws KumiteError `cgroup/failed` when more than the new limit is in use and cannot be reclaimed */
export function makeRoom(directory: string, settings: readonly CgroupSetting[]): void {
  // If there are two settings for the file, the later one holds.
  const setting = settings.findLast(({ file }) => file === "memory.max");
  if (setting === undefined || !/^\d+$/.test(setting.value)) return;
  const inUse = BigInt(currentText(directory, "memory.current") ?? "0");
  const excess = inUse - BigInt(setting.value);
  if (excess <= 0n) return;
  try {
    writeKernelFile(`${directory}/memory.reclaim`, String(excess));
  } catch (error) {
    // The file exists since Linux 5.19.
    if (isSystemError(error, "ENOENT")) return;
    if (!isSystemError(error, "EAGAIN")) throw error;
    const { key, file, value } = setting;
    throw new KumiteError(
      "cgroup/failed",
      `${key}: ${value} is below the ${inUse} bytes in use, which cannot be freed`,
      {
        hint: "give a larger limit, or end processes of the container first",
        data: { key, file, value },
        cause: error,
      },
    );
  }
}
