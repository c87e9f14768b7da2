/** Ends a process's input. What its relay has sent so far still reaches the process. */
import type { ProcessKey } from "./process.ts";
import type { Sandbox } from "./sandbox.ts";

export async function closeInput(sandbox: Sandbox, key: ProcessKey): Promise<void> {
  await sandbox.processes.get(key).stdio.endInput();
}
