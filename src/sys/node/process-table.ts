/** Processes from proc(5). */
import { readFileSync } from "node:fs";
import type { ProcessInfo } from "../os.ts";
import { parseArguments, parseProcessStat } from "../proc-text.ts";
import { asSystemCall, errnoOf } from "./system-error.ts";

/** Implements `Processes.info`. */
export async function processInfo(pid: number): Promise<ProcessInfo | undefined> {
  try {
    return await asSystemCall("read", `/proc/${pid}`, async () => ({
      pid,
      ...parseProcessStat(readFileSync(`/proc/${pid}/stat`, "utf8")),
      argv: parseArguments(readFileSync(`/proc/${pid}/cmdline`, "utf8")),
    }));
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === "ENOENT" || errno === "ESRCH") return undefined;
    throw error;
  }
}

/**
 * Start time of a child, or with `self` of this process. Synchronous, so that Node cannot reap the child before: it
 * exists at least as a zombie.
 */
export function startTicksOf(pid: number | "self"): number {
  return parseProcessStat(readFileSync(`/proc/${pid}/stat`, "utf8")).startTicks;
}
