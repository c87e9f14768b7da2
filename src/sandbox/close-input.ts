/** Ends a process's input: what its relay sent so far still reaches it. */
import type { ProcessKey } from "./process.ts";
import type { Sandbox } from "./sandbox.ts";

export async function closeInput(sandbox: Sandbox, key: ProcessKey): Promise<void> {
  await sandbox.processes.get(key).stdio.endInput();
}
