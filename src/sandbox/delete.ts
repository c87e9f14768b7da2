/** Deletes a container, with it the sandbox that is for it alone; or forgets a further process that has ended. */
import { KumiteError } from "../util/errors.ts";
import { statusOf, wrongState } from "./container.ts";
import { forgetExec } from "./exec.ts";
import type { Exit, ProcessKey } from "./process.ts";
import type { Sandbox } from "./sandbox.ts";
import { stopSandbox } from "./stop.ts";

/**
 * Resolves when what runs in the guest is gone. The id and the record stay until `recoverSandbox`, which the caller of
 * a verb does when this process has ended.
 *
 * @throws KumiteError `container/wrong-state` when it still runs
 */
export async function deleteProcess(sandbox: Sandbox, key: ProcessKey): Promise<Exit> {
  const container = sandbox.container(key.containerId);
  const process = sandbox.processes.get(key);
  const { phase } = process.state;
  if (key.execId !== undefined) {
    if (phase === "running" || phase === "starting") {
      throw new KumiteError("container/wrong-state", `cannot delete ${process.title}, which is running`);
    }
    forgetExec(sandbox, process);
  } else {
    if (phase !== "created" && phase !== "stopped") {
      throw wrongState(
        container,
        `cannot delete container ${container.id} that is not stopped: ${statusOf(container)}`,
      );
    }
    await stopSandbox(sandbox);
  }
  return process.exited;
}
