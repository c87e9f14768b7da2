/** Gives a process its relay: the process of the host that stands for it, and whose end ends it. */
import type { ProcessId } from "../sys/os.ts";
import { messageOf } from "../util/errors.ts";
import { signalNumbers } from "../util/signals.ts";
import { forgetExec } from "./exec.ts";
import { signalInGuest } from "./kill.ts";
import type { ProcessKey, SandboxProcess } from "./process.ts";
import type { Sandbox } from "./sandbox.ts";
import { fieldsOf } from "./watch.ts";

/**
 * The process may not be known yet: this waits for it.
 *
 * @param connection ends with the relay
 */
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
  // Nobody reads any more, so there is no output to be waited for.
  process.stdio.close();
  if (phase === "stopped" || (phase === "created" && process.spec !== undefined)) {
    if (process.spec !== undefined) forgetExec(sandbox, process);
    return;
  }
  sandbox.host.log.warn(`${process.title} lost its relay and was killed`, fieldsOf(process));
  // One that is being created or started is looked at again when that is done.
  if (phase === "created" || phase === "running" || phase === "paused")
    await signalInGuest(sandbox, process, signalNumbers.SIGKILL);
}
