/**
 * Follows a process of the guest to its end: status, rest of the output, record, and only then whoever waits. With its own
 * process a container ends, and with the one that it was made with the sandbox.
 */
import { withDeadline } from "../util/deadline.ts";
import { isKumiteError, messageOf } from "../util/errors.ts";
import type { LogFields } from "../util/log.ts";
import type { Vm } from "../vm/vm.ts";
import type { Container } from "./container.ts";
import { stopContainer } from "./leave.ts";
import { killedStatus } from "./observe.ts";
import type { SandboxProcess } from "./process.ts";
import { recordContainer } from "./record.ts";
import type { Sandbox } from "./sandbox.ts";
import { stopSandbox } from "./stop.ts";

/** The guest did not say how the process ended, or said nonsense. */
const unknownStatus = 255;
/** For a machine that lost its agent to be seen dead. */
const deathMs = 2_000;
const consoleLines = 5;

/** Returns at once; begins when the process exists in the guest. */
export function watchProcess(sandbox: Sandbox, process: SandboxProcess): void {
  follow(sandbox, process).catch((error: unknown) => {
    sandbox.host.log.error(`the end of ${process.title} could not be handled: ${messageOf(error)}`, fieldsOf(process));
  });
}

async function follow(sandbox: Sandbox, process: SandboxProcess): Promise<void> {
  const { os, log } = sandbox.host;
  const exitStatus = await waitInGuest(sandbox, sandbox.running().vm, process);
  await process.stdio.drain();
  process.stdio.close();
  process.stop({ exitStatus, exitedMs: os.clock.now() });
  const container = sandbox.containers.get(process.key.containerId);
  const isFirst = process.key.execId === undefined;
  // Who waits for another process asks the record why the machine is gone.
  if ((isFirst || sandbox.failure !== undefined) && container !== undefined) {
    // Whoever waits is answered even when the record cannot be written: the disk may be full.
    await recordContainer(sandbox, container).catch((error: unknown) => {
      log.error(`the record cannot be written: ${messageOf(error)}`, fieldsOf(process));
    });
  }
  process.announce();
  log.info("process ended", { ...fieldsOf(process), status: exitStatus });
  if (isFirst && container !== undefined) await stopWith(sandbox, container);
  // Otherwise when its relay has seen the end and goes.
  else if (process.relayLost) sandbox.processes.remove(process);
}

function stopWith(sandbox: Sandbox, container: Container): Promise<void> {
  return sandbox.isOwn(container) ? stopSandbox(sandbox) : stopContainer(sandbox, container);
}

async function waitInGuest(sandbox: Sandbox, vm: Vm, process: SandboxProcess): Promise<number> {
  const { log } = sandbox.host;
  const { containerId, execId = containerId } = process.key;
  try {
    const { status } = await vm.agent.waitProcess({ containerId, execId });
    if (status >= 0 && status <= 255) return status;
    log.warn(`the guest says that ${process.title} ended with status ${status}`, fieldsOf(process));
    return unknownStatus;
  } catch (error) {
    if (sandbox.state.phase !== "running") return killedStatus;
    await explain(sandbox, vm, process, error);
    return isKumiteError(error, "agent/unreachable") ? killedStatus : unknownStatus;
  }
}

/** Nobody asked for this end: the log says what is known of it. */
async function explain(sandbox: Sandbox, vm: Vm, process: SandboxProcess, error: unknown): Promise<void> {
  const exit = await withDeadline(deathMs, "the machine's end", () => vm.machine.exited).catch(() => undefined);
  sandbox.failure ??= exit?.reason === "died" ? `${exit.process} ${exit.detail}` : messageOf(error);
  sandbox.host.log.error(`the end of ${process.title} is unknown: ${messageOf(error)}`, {
    ...fieldsOf(process),
    machine: exit ?? "running",
    console: vm.machine.consoleTail(consoleLines),
  });
}

/** Fields of a log line about a process. */
export function fieldsOf({ key }: SandboxProcess): LogFields {
  return { container: key.containerId, ...(key.execId === undefined ? {} : { exec: key.execId }) };
}
