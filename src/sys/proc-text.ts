/** Parsers for the files of proc(5), shared by all implementations of `Os`. Pure. */
import type { ExitStatus, MountEntry, ProcessInfo } from "./os.ts";

export type ProcessStat = Pick<ProcessInfo, "parentPid" | "startTicks" | "state">;

/** Parses `/proc/<pid>/stat`. Field 2, the name in parentheses, may itself contain spaces and parentheses. */
export function parseProcessStat(text: string): ProcessStat {
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return { state: fields[0] ?? "?", parentPid: Number(fields[1]), startTicks: Number(fields[19]) };
}

/**
 * How a process ended, from field 52 of its `/proc/<pid>/stat`; `undefined` while any of its threads runs. The kernel
 * shows status 0 to a reader that may not trace the process.
 */
export function parseExit(text: string): ExitStatus | undefined {
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  if (fields[0] !== "Z" || Number(fields[17]) > 1) return undefined;
  const status = Number(fields[49]);
  const signal = status & 0x7f;
  return signal === 0 ? { kind: "exited", status: (status >> 8) & 0xff } : { kind: "signalled", signal };
}

/** Parses `/proc/<pid>/cmdline`. The last argument may lack its zero byte, and a zombie has no arguments at all. */
export function parseArguments(text: string): string[] {
  if (text === "") return [];
  return (text.endsWith("\0") ? text.slice(0, -1) : text).split("\0");
}

/** Parses `/proc/<pid>/mountinfo`, in its order. */
export function parseMountTable(text: string): MountEntry[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map(parseMountLine);
}

/** `36 35 98:0 /root /target rw,noatime master:1 - ext4 /dev/sda rw` */
function parseMountLine(line: string): MountEntry {
  // Only the first lone hyphen separates: the source may be a hyphen too.
  const separator = line.indexOf(" - ");
  const [id, parentId, , root, target, options = "", ...optionalFields] = line.slice(0, separator).split(" ");
  const [type, source, superOptions = ""] = line.slice(separator + 3).split(" ");
  return {
    id: Number(id),
    parentId: Number(parentId),
    root: unescapeField(root),
    target: unescapeField(target),
    type: unescapeField(type),
    source: unescapeField(source),
    options: [...options.split(","), ...superOptions.split(",")].filter((word) => word !== ""),
    optionalFields: optionalFields.filter((word) => word !== ""),
  };
}

/** The kernel writes space, tab, newline, backslash and `#` in octal. */
function unescapeField(text = ""): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
