/**
 * Follows a process of the guest to its end: exit status, remaining output, record, and only then those who wait. A
 * container ends with its own process, and the sandbox ends with its first container.
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

/** The guest did not report how the process ended, or reported nonsense. */
const unknownStatus = 255;
/** How long a VM that lost its agent may take to be seen as dead. */
const deathMs = 2_000;
const consoleLines = 5;

/** Returns at once. Call when the process exists in the guest. */
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
  // Those who wait for another process read in the record why the VM is gone.
  if ((isFirst || sandbox.failure !== undefined) && container !== undefined) {
    // Waiters get an answer even if the record cannot be written, e.g. because the disk is full.
    await recordContainer(sandbox, container).catch((error: unknown) => {
      log.error(`the record cannot be written: ${messageOf(error)}`, fieldsOf(process));
    });
  }
  process.announce();
  log.info("process ended", { ...fieldsOf(process), status: exitStatus });
  if (isFirst && container !== undefined) await stopWith(sandbox, container);
  // Otherwise the process is removed when its relay has seen the end and leaves.
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

/** Logs what is known of an end that nobody asked for. */
async function explain(sandbox: Sandbox, vm: Vm, process: SandboxProcess, error: unknown): Promise<void> {
  const exit = await withDeadline(deathMs, "the machine's end", () => vm.machine.exited).catch(() => undefined);
  sandbox.failure ??= exit?.reason === "died" ? `${exit.process} ${exit.detail}` : messageOf(error);
  sandbox.host.log.error(`how ${process.title} ended is unknown: ${messageOf(error)}`, {
    ...fieldsOf(process),
    machine: exit ?? "running",
    console: vm.machine.consoleTail(consoleLines),
  });
}

/** Log fields that identify a process. */
export function fieldsOf({ key }: SandboxProcess): LogFields {
  return { container: key.containerId, ...(key.execId === undefined ? {} : { exec: key.execId }) };
}
