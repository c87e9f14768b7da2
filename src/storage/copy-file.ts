/** Copies sparse files, and shares their blocks if the file system can. */
import type { Os } from "../sys/os.ts";
import { runTool } from "./host-tool.ts";

/** Enough for gigabytes of memory on a slow disk. */
const timeoutMs = 300_000;

/** Overwrites the content of `to`. @throws KumiteError `storage/failed`, `timeout`, `aborted` */
export async function copySparse(os: Os, from: string, to: string, signal: AbortSignal): Promise<void> {
  const args = ["--sparse=always", "--reflink=auto", "--", from, to];
  await runTool(os, { tool: "cp", package: "coreutils", args, timeoutMs, signal });
}
