/** The mount table of this process, proc(5) `mountinfo`. */
import { readFile } from "node:fs/promises";
import type { MountEntry } from "../os.ts";
import { parseMountTable } from "../proc-text.ts";
import { asSystemCall } from "./system-error.ts";

const path = "/proc/self/mountinfo";

/** Implements `Mounts.table`. */
export async function readMountTable(): Promise<MountEntry[]> {
  return parseMountTable(await asSystemCall("read", path, () => readFile(path, "utf8")));
}
