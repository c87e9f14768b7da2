/**
 * Removes an added container from a sandbox that stays: when its program has ended, when it is deleted, and when its
 * create fails. Its id and record stay for `recover.ts`. The sandbox's first container ends together with the sandbox
 * (`stop.ts`).
 */
import { isKumiteError, KumiteError, messageOf } from "../util/errors.ts";
import { signalNumbers } from "../util/signals.ts";
import type { Container } from "./container.ts";
import { endProcesses, lastWords } from "./end-processes.ts";
import { fitMachineToRest } from "./fit-machine.ts";
import { releaseJournal, undoResources } from "./host-resources.ts";
import { pinVcpus } from "./pin-vcpus.ts";
import { unplugDisks } from "./plug-disks.ts";
import type { Sandbox } from "./sandbox.ts";

const callTimeoutMs = 10_000;
/** How long the guest waits for killed processes to be gone. */
const removeTimeoutS = 10;

/**
 * Resolves when the container has nothing left in the guest, nor on the host of what this process made. Never rejects.
 */
export function stopContainer(sandbox: Sandbox, container: Container): Promise<void> {
  container.stopping ??= stop(sandbox, container);
  return container.stopping;
}

async function stop(sandbox: Sandbox, container: Container): Promise<void> {
  const { log } = sandbox.host;
  const { id, onHost, hooks } = container;
  await removeFromGuest(sandbox, id);
  await unplugDisks(sandbox, container);
  await endProcesses(sandbox, id);
  if (onHost !== undefined) await undoResources(sandbox.host.os, onHost, log);
  await hooks;
  log.info("container stopped", { container: id, phase: "stop" });
  // Nobody waits for this.
  void fitMachineToRest(sandbox).then(() => pinVcpus(sandbox));
}

/** If the guest fails to remove the container, it keeps the remains until it ends itself. */
async function removeFromGuest(sandbox: Sandbox, id: string): Promise<void> {
  const { state, host } = sandbox;
  if (state.phase !== "running") return;
  const { agent } = state.vm;
  try {
    // Processes that share a PID namespace with others outlive the container's own process.
    await agent.signalProcess(
      { containerId: id, execId: "", signal: signalNumbers.SIGKILL },
      { timeoutMs: callTimeoutMs },
    );
    await lastWords(sandbox, id);
    const timeoutMs = removeTimeoutS * 1000 + callTimeoutMs;
    await agent.removeContainer({ containerId: id, timeout: removeTimeoutS }, { timeoutMs });
  } catch (error) {
    // The create may have failed before the guest knew the container.
    if (isKumiteError(error, "container/not-found")) return;
    host.log.warn(`the guest could not remove the container: ${messageOf(error)}`, {
      container: id,
      phase: "stop",
    });
  }
}

/** Stops and forgets the container. The process that deletes it removes what is left on the host. Never rejects. */
export async function leaveSandbox(sandbox: Sandbox, container: Container): Promise<void> {
  await stopContainer(sandbox, container);
  if (container.released) return;
  container.released = true;
  // A write of the record may be under way.
  await container.saveRecord?.().catch(() => {});
  if (container.onHost !== undefined) await releaseJournal(container.onHost, sandbox.host.log);
  for (const process of sandbox.processes.of(container.id)) sandbox.processes.remove(process);
  sandbox.containers.delete(container.id);
}

/**
 * Ends the container whatever it is doing, even a create that is under way, and lets go of it. An unknown container is
 * a success.
 *
 * @throws KumiteError `usage/invalid` for the sandbox's first container
 */
export async function discardContainer(sandbox: Sandbox, id: string): Promise<void> {
  if (sandbox.isOwn({ id })) {
    throw new KumiteError("usage/invalid", `container ${id} is removed with its sandbox, not alone`, {
      data: { id },
    });
  }
  const addition = sandbox.additions.get(id);
  addition?.abort(new KumiteError("aborted", `container ${id} is being deleted`));
  await addition?.done;
  const container = sandbox.containers.get(id);
  if (container !== undefined) await leaveSandbox(sandbox, container);
}
