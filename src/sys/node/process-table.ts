/** Processes as proc(5) shows them. */
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import type { ProcessInfo } from "../os.ts";
import { asSystemCall, errnoOf } from "./system-error.ts";

/** As `Processes.info`. */
export async function processInfo(pid: number): Promise<ProcessInfo | undefined> {
  try {
    return await asSystemCall("read", `/proc/${pid}`, async () => ({
      pid,
      ...parseStat(await readFile(`/proc/${pid}/stat`, "utf8")),
      argv: parseArguments(await readFile(`/proc/${pid}/cmdline`, "utf8")),
    }));
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === "ENOENT" || errno === "ESRCH") return undefined;
    throw error;
  }
}

/**
 * Start time of a child, without a turn of the event loop in which Node could reap it; `self` is this process.
 * The child is there, as a zombie at least.
 */
export function startTicksOf(pid: number | "self"): number {
  return parseStat(readFileSync(`/proc/${pid}/stat`, "utf8")).startTicks;
}

function parseStat(text: string): Pick<ProcessInfo, "parentPid" | "startTicks" | "state"> {
  // Field 2, the name in parentheses, may hold spaces and parentheses itself.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return { state: fields[0] ?? "?", parentPid: Number(fields[1]), startTicks: Number(fields[19]) };
}

/** A process may end the list without a zero, and a zombie has none at all. */
function parseArguments(text: string): string[] {
  if (text === "") return [];
  return (text.endsWith("\0") ? text.slice(0, -1) : text).split("\0");
}
