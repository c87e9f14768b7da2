/** The mount table of this process, proc(5) `mountinfo`. */
import { readFile } from "node:fs/promises";
import type { MountEntry } from "../os.ts";
import { asSystemCall } from "./system-error.ts";

const path = "/proc/self/mountinfo";

/** As `Mounts.table`. */
export async function readMountTable(): Promise<MountEntry[]> {
  const text = await asSystemCall("read", path, () => readFile(path, "utf8"));
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map(parseMountLine);
}

/** `36 35 98:0 /root /target rw,noatime master:1 - ext4 /dev/sda rw` */
export function parseMountLine(line: string): MountEntry {
  const [before = "", after = ""] = line.split(" - ");
  const [id, parentId, , root, target, options, ...optionalFields] = before.split(" ");
  const [type, source, superOptions] = after.split(" ");
  return {
    id: Number(id),
    parentId: Number(parentId),
    root: unescapeField(root),
    target: unescapeField(target),
    type: unescapeField(type),
    source: unescapeField(source),
    options: [...(options ?? "").split(","), ...(superOptions ?? "").split(",")].filter((word) => word !== ""),
    optionalFields: optionalFields.filter((word) => word !== ""),
  };
}

/** Space, tab, newline and backslash are written in octal. */
function unescapeField(text = ""): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
