/**
 * How a container goes that was added to a sandbox, while the sandbox stays: when its program has ended, when it is deleted,
 * and when its create fails. Its id and its record stay for `recover.ts`. The container that a sandbox was made with goes
 * with it (`stop.ts`).
 */
import { isKumiteError, KumiteError, messageOf } from "../util/errors.ts";
import { signalNumbers } from "../util/signals.ts";
import type { Container } from "./container.ts";
import { endProcesses, lastWords } from "./end-processes.ts";
import { shrinkMachine } from "./fit-machine.ts";
import { releaseJournal, undoResources } from "./host-resources.ts";
import { pinVcpus } from "./pin-vcpus.ts";
import { unplugDisks } from "./plug-disks.ts";
import type { Sandbox } from "./sandbox.ts";

const callTimeoutMs = 10_000;
/** For its processes to be gone after they were killed, in the guest. */
const removeTimeoutS = 10;

/** Resolves when nothing of it is left in the guest, and nothing on the host that this process has made. Never rejects. */
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
  // Nobody waits for it.
  void shrinkMachine(sandbox).then(() => pinVcpus(sandbox));
}

/** A guest that cannot do it keeps what it has until it ends itself. */
async function removeFromGuest(sandbox: Sandbox, id: string): Promise<void> {
  const { state, host } = sandbox;
  if (state.phase !== "running") return;
  const { agent } = state.vm;
  try {
    // What shares a pid namespace with others outlives the container's own process.
    await agent.signalProcess(
      { containerId: id, execId: "", signal: signalNumbers.SIGKILL },
      { timeoutMs: callTimeoutMs },
    );
    await lastWords(sandbox, id);
    const timeoutMs = removeTimeoutS * 1000 + callTimeoutMs;
    await agent.removeContainer({ containerId: id, timeout: removeTimeoutS }, { timeoutMs });
  } catch (error) {
    // Its create may have failed before.
    if (isKumiteError(error, "container/not-found")) return;
    host.log.warn(`the guest could not remove the container: ${messageOf(error)}`, {
      container: id,
      phase: "stop",
    });
  }
}

/** Stops it and forgets it: what is left on the host is for whoever deletes it. Never rejects. */
export async function leaveSandbox(sandbox: Sandbox, container: Container): Promise<void> {
  await stopContainer(sandbox, container);
  if (container.released) return;
  container.released = true;
  // One may be on its way to the disk.
  await container.saveRecord?.().catch(() => {});
  if (container.onHost !== undefined) await releaseJournal(container.onHost, sandbox.host.log);
  for (const process of sandbox.processes.of(container.id)) sandbox.processes.remove(process);
  sandbox.containers.delete(container.id);
}

/**
 * Ends it whatever it is doing, its create included, and lets go of it. One that is not known is a success.
 *
 * @throws KumiteError `usage/invalid` for the container that the sandbox was made with
 */
export async function discardContainer(sandbox: Sandbox, id: string): Promise<void> {
  if (sandbox.isOwn({ id })) {
    throw new KumiteError("usage/invalid", `container ${id} goes with the sandbox that was made for it`, {
      data: { id },
    });
  }
  const addition = sandbox.additions.get(id);
  addition?.abort(new KumiteError("aborted", `container ${id} is deleted`));
  await addition?.done;
  const container = sandbox.containers.get(id);
  if (container !== undefined) await leaveSandbox(sandbox, container);
}
