/** Processes and mounts from proc(5). */
import { isSystemError } from "../../util/errors.ts";
import type { MountEntry, ProcessInfo } from "../os.ts";
import { type ProcessStat, parseArguments, parseMountTable, parseProcessStat } from "../proc-text.ts";
import { readFileText } from "./whole-file.ts";

/** `undefined` when there is no such process. */
export function processStat(pid: number | "self"): ProcessStat | undefined {
  const text = readProcess(pid, "stat");
  return text === undefined ? undefined : parseProcessStat(text);
}

/** `undefined` when there is no such process. A zombie still counts as a process. */
export function processInfo(pid: number): ProcessInfo | undefined {
  const stat = processStat(pid);
  const argv = readProcess(pid, "cmdline");
  return stat === undefined || argv === undefined ? undefined : { pid, ...stat, argv: parseArguments(argv) };
}

/** The arguments of a process may take megabytes. */
const processFileLimit = 8 << 20;

function readProcess(pid: number | "self", name: string): string | undefined {
  try {
    return readFileText(`/proc/${pid}/${name}`, processFileLimit);
  } catch (error) {
    if (isSystemError(error, "ENOENT", "ESRCH")) return undefined;
    throw error;
  }
}

const mountTableLimit = 64 << 20;

/** The mount table of this process. */
export function mountTable(): MountEntry[] {
  return parseMountTable(readFileText("/proc/self/mountinfo", mountTableLimit));
}
