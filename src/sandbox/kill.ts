/** Sends a signal to a process of a container, or to all of them. */
import { KumiteError, messageOf } from "../util/errors.ts";
import { signalNumbers } from "../util/signals.ts";
import { type Container, requireState, wrongState } from "./container.ts";
import type { ProcessKey, SandboxProcess } from "./process.ts";
import type { Sandbox } from "./sandbox.ts";

const callTimeoutMs = 10_000;
const lastSignal = 64;

export interface KillRequest {
  readonly key: ProcessKey;
  readonly signal: number;
  /** Signals every process of the container. */
  readonly all: boolean;
}

/**
 * SIGKILL fails only in the wrong state. If the guest cannot be reached, that is logged, since it must not prevent a
 * delete.
 *
 * @throws KumiteError `container/wrong-state` if the process does not run, `process/not-found`, `usage/invalid`
 */
export async function killProcess(sandbox: Sandbox, { key, signal, all }: KillRequest): Promise<void> {
  if (!Number.isInteger(signal) || signal < 1 || signal > lastSignal) {
    throw new KumiteError("usage/invalid", `${signal} is not a signal number`, { hint: "use a signal from 1 to 64" });
  }
  const container = sandbox.container(key.containerId);
  const process = sandbox.processes.get(key);
  // Signalling all processes of a container that has none is no error, as with runc.
  if (all && process.state.phase === "stopped") return;
  checkAlive(container, process);
  requireState(sandbox, container, "kill");
  try {
    if (all) await signalAllInGuest(sandbox, container, signal);
    else await signalInGuest(sandbox, process, signal);
  } catch (error) {
    if (signal !== signalNumbers.SIGKILL) throw error;
    sandbox.host.log.warn(`${process.title} was not killed: ${messageOf(error)}`, { container: container.id });
  }
}

async function signalAllInGuest(sandbox: Sandbox, { id }: Container, signal: number): Promise<void> {
  const { agent } = sandbox.running().vm;
  await agent.signalProcess({ containerId: id, execId: "", signal }, { timeoutMs: callTimeoutMs });
}

/** Signals that process alone, whatever its recorded state. */
export async function signalInGuest(sandbox: Sandbox, process: SandboxProcess, signal: number): Promise<void> {
  const { containerId, execId = containerId } = process.key;
  const { agent } = sandbox.running().vm;
  await agent.signalProcess({ containerId, execId, signal }, { timeoutMs: callTimeoutMs });
}

function checkAlive(container: Container, process: SandboxProcess): void {
  const { phase } = process.state;
  const isExec = process.key.execId !== undefined;
  switch (phase) {
    case "running":
    case "paused":
    case "starting":
      return;
    case "created":
      if (isExec) throw wrongState(container, `${process.title} is not running: it was not started`);
      return;
    case "creating":
      throw wrongState(container, `${process.title} is being created`);
    case "stopped":
      if (isExec) throw new KumiteError("process/not-found", "process already finished", { data: { ...process.key } });
      throw wrongState(container, "container not running");
  }
}
