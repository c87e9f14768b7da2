/** Connects a process to its relay, the host process that stands for it. When the relay ends, the process is killed. */
import type { ProcessId } from "../sys/os.ts";
import { messageOf } from "../util/errors.ts";
import { signalNumbers } from "../util/signals.ts";
import { forgetExec } from "./exec.ts";
import { signalInGuest } from "./kill.ts";
import type { ProcessKey, SandboxProcess } from "./process.ts";
import type { Sandbox } from "./sandbox.ts";
import { fieldsOf } from "./watch.ts";

/** Waits for the process if it is not known yet. @param connection aborted when the relay's connection ends */
export async function attachRelay(
  sandbox: Sandbox,
  key: ProcessKey,
  relay: ProcessId,
  connection: AbortSignal,
): Promise<SandboxProcess> {
  const process = await sandbox.processes.awaited(key, connection);
  process.attachRelay(relay, connection, () => {
    relayLost(sandbox, process).catch((error: unknown) => {
      sandbox.host.log.warn(
        `${process.title} lost its relay and was not killed: ${messageOf(error)}`,
        fieldsOf(process),
      );
    });
  });
  return process;
}

async function relayLost(sandbox: Sandbox, process: SandboxProcess): Promise<void> {
  const { phase } = process.state;
  // Nobody reads the output any more, so there is no reason to wait for it.
  process.stdio.close();
  if (phase === "stopped" || (phase === "created" && process.spec !== undefined)) {
    if (process.spec !== undefined) forgetExec(sandbox, process);
    return;
  }
  sandbox.host.log.warn(`${process.title} lost its relay and was killed`, fieldsOf(process));
  // A process that is still being created or started is handled by `catch-up.ts` afterwards.
  if (phase === "created" || phase === "running" || phase === "paused")
    await signalInGuest(sandbox, process, signalNumbers.SIGKILL);
}
