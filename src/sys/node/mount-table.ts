/** The mount table of this process, proc(5) `mountinfo`. */
import { decodeUtf8 } from "../../util/text.ts";
import type { MountEntry } from "../os.ts";
import { parseMountTable } from "../proc-text.ts";
import { readKernelFile } from "./kernel-files.ts";
import { asSystemCall } from "./system-error.ts";

const path = "/proc/self/mountinfo";
/** A host with tens of thousands of mounts has a table of some megabytes. */
const limitBytes = 256 * 1024 * 1024;

/** Implements `Mounts.table`. */
export async function readMountTable(): Promise<MountEntry[]> {
  return parseMountTable(await asSystemCall("read", path, async () => decodeUtf8(readKernelFile(path, limitBytes))));
}
