/** Processes and mounts as proc(5) shows them. */

import { isSystemError } from "../../util/errors.ts";
import type { MountEntry, ProcessInfo } from "../os.ts";
import { readFileText } from "./whole-file.ts";

export type ProcessStat = Pick<ProcessInfo, "parentPid" | "startTicks" | "state">;

/** `undefined` when there is no such process. */
export function processStat(pid: number | "self"): ProcessStat | undefined {
  const text = readProcess(pid, "stat");
  return text === undefined ? undefined : parseProcessStat(text);
}

/** `undefined` when there is no such process; a zombie is one. */
export function processInfo(pid: number): ProcessInfo | undefined {
  const stat = processStat(pid);
  const argv = readProcess(pid, "cmdline");
  return stat === undefined || argv === undefined ? undefined : { pid, ...stat, argv: parseArguments(argv) };
}

function readProcess(pid: number | "self", name: string): string | undefined {
  try {
    return readFileText(`/proc/${pid}/${name}`, 4 << 20);
  } catch (error) {
    if (isSystemError(error, "ENOENT", "ESRCH")) return undefined;
    throw error;
  }
}

/** Field 2, the name in parentheses, may hold spaces and parentheses itself. */
export function parseProcessStat(text: string): ProcessStat {
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return { state: fields[0] ?? "?", parentPid: Number(fields[1]), startTicks: Number(fields[19]) };
}

/** A process may end the list without a zero, and a zombie has none at all. */
export function parseArguments(text: string): string[] {
  if (text === "") return [];
  return (text.endsWith("\0") ? text.slice(0, -1) : text).split("\0");
}

/** The mount table of this process. */
export function mountTable(): MountEntry[] {
  return readFileText("/proc/self/mountinfo", 64 << 20)
    .split("\n")
    .filter((line) => line !== "")
    .map(parseMountLine);
}

/** `36 35 98:0 /root /target rw,noatime master:1 - ext4 /dev/sda rw` */
export function parseMountLine(line: string): MountEntry {
  // The separator is a field of its own, and no field before it can hold a space.
  const [before = "", after = ""] = line.split(" - ", 2);
  const [id, parentId, , root, target, options = "", ...optionalFields] = before.split(" ");
  const [type, source, superOptions = ""] = after.split(" ");
  return {
    id: Number(id),
    parentId: Number(parentId),
    root: unescapeField(root),
    target: unescapeField(target),
    type: unescapeField(type),
    source: unescapeField(source),
    options: [...new Set([...options.split(","), ...superOptions.split(",")])].filter((word) => word !== ""),
    optionalFields: optionalFields.filter((word) => word !== ""),
  };
}

/** Space, tab, newline, backslash and `#` are written in octal. */
function unescapeField(text = ""): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
