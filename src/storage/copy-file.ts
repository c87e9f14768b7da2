/** Copies files that are mostly holes, sharing their blocks where the file system can. */
import type { Os } from "../sys/os.ts";
import { runTool } from "./host-tool.ts";

/** Gigabytes of memory, on a slow disk. */
const timeoutMs = 300_000;

/** What is at `to` is overwritten. @throws KumiteError `storage/failed`, `timeout`, `aborted` */
export async function copySparse(os: Os, from: string, to: string, signal: AbortSignal): Promise<void> {
  const args = ["--sparse=always", "--reflink=auto", "--", from, to];
  await runTool(os, { tool: "cp", package: "coreutils", args, timeoutMs, signal });
}
