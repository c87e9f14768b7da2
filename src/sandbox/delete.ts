/** Deletes a container, and the sandbox if the container is its first; or forgets an exec process that has ended. */
import { KumiteError } from "../util/errors.ts";
import { refusalIn, statusOf, wrongState } from "./container.ts";
import { forgetExec } from "./exec.ts";
import { leaveSandbox } from "./leave.ts";
import type { Exit, ProcessKey } from "./process.ts";
import type { Sandbox } from "./sandbox.ts";
import { stopSandbox } from "./stop.ts";

/**
 * Resolves when everything that ran in the guest is gone. The id and the record stay until the verb calls
 * `recoverContainer`, after this process has ended.
 *
 * @throws KumiteError `container/wrong-state` if the container or process is still running
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
    if (refusalIn(sandbox, container, "delete") !== undefined) {
      throw wrongState(
        container,
        `cannot delete container ${container.id} that is not stopped: ${statusOf(container)}`,
      );
    }
    if (sandbox.isOwn(container)) await stopSandbox(sandbox);
    else await leaveSandbox(sandbox, container);
  }
  return process.exited;
}
