/**
 * Ends a sandbox: its machine, its processes, and everything it made on the host. What others made, the id and the
 * record among it, stays for `recover.ts`. Runs once, to its end, whatever fails on the way and whoever asks.
 */
import { stepKey } from "../persist/step.ts";
import { undoAll } from "../persist/undo.ts";
import { withDeadline } from "../util/deadline.ts";
import { isSystemError, messageOf } from "../util/errors.ts";
import type { Vm } from "../vm/vm.ts";
import { killedStatus } from "./observe.ts";
import type { SandboxProcess } from "./process.ts";
import { recordSandbox } from "./record.ts";
import type { HostResources, Sandbox } from "./sandbox.ts";

/** For processes that end with their container to have their own status told. */
const lastWordsMs = 1000;
/** For the guest to write back and to unmount. */
const destroyTimeoutMs = 3000;

/** Resolves when the sandbox has ended. Never rejects: what could not be undone is in the log and in the journal. */
export function stopSandbox(sandbox: Sandbox): Promise<void> {
  sandbox.stopping ??= stop(sandbox);
  return sandbox.stopping;
}

async function stop(sandbox: Sandbox): Promise<void> {
  const { log } = sandbox.host;
  const before = sandbox.state;
  sandbox.state = { phase: "stopping" };
  if (before.phase === "running") await stopMachine(sandbox, before.vm);
  await endProcesses(sandbox);
  await sandbox.console?.flushed();
  if (sandbox.resources !== undefined) await undoResources(sandbox, sandbox.resources);
  await removeSocket(sandbox);
  await sandbox.hooks;
  log.info("sandbox stopped", { phase: "stop" });
  sandbox.end();
}

async function stopMachine(sandbox: Sandbox, vm: Vm): Promise<void> {
  const { log } = sandbox.host;
  await lastWords(sandbox);
  try {
    await vm.agent.destroySandbox({}, { timeoutMs: destroyTimeoutMs });
  } catch (error) {
    log.debug(`the guest could not be told to end: ${messageOf(error)}`, { phase: "stop" });
  }
  try {
    await vm.stop();
  } catch (error) {
    // Its processes are steps of the journal, which are undone next.
    log.error(`the machine did not stop in order: ${messageOf(error)}`, { phase: "stop" });
  }
}

/** What ran beside a container's own process ends with it; its waiters should hear the true status. */
async function lastWords(sandbox: Sandbox): Promise<void> {
  const ending = processesOf(sandbox).filter((process) => process.state.phase === "running");
  const own = processesOf(sandbox).find((process) => process.key.execId === undefined);
  if (own?.state.phase !== "stopped" || ending.length === 0) return;
  const ended = Promise.all(ending.map((process) => process.exited));
  await withDeadline(lastWordsMs, "the end of all processes", () => ended).catch(() => {});
}

async function endProcesses(sandbox: Sandbox): Promise<void> {
  const { os, log } = sandbox.host;
  for (const process of processesOf(sandbox)) {
    process.stdio.close();
    const { phase } = process.state;
    if (phase === "stopped") continue;
    process.stop({ exitStatus: killedStatus, exitedMs: os.clock.now() });
    const container = sandbox.containers.get(process.key.containerId);
    // A container that was never created has no status to be kept: its create fails and takes everything back.
    if (process.key.execId === undefined && container !== undefined && phase !== "creating") {
      await recordSandbox(sandbox, container).catch((error: unknown) => {
        log.error(`the record cannot be written: ${messageOf(error)}`, { container: container.id });
      });
    }
    process.announce();
  }
}

async function undoResources({ host }: Sandbox, { journal, foreignSteps }: HostResources): Promise<void> {
  const steps = journal.content.steps.slice(foreignSteps);
  const failures = await undoAll(host.os, steps);
  for (const { step, error } of failures) {
    host.log.error(`left behind: ${stepKey(step)}: ${messageOf(error)}`, { phase: "stop" });
  }
  const failed = new Set(failures.map(({ step }) => step));
  await journal
    .forget(steps.filter((step) => !failed.has(step)))
    .catch((error: unknown) => host.log.warn(`the journal cannot be written: ${messageOf(error)}`, { phase: "stop" }));
}

/** Who finds no socket knows at once that there is nobody to ask. */
async function removeSocket({ host }: Sandbox): Promise<void> {
  try {
    await host.os.files.removeFile(host.paths.socket);
  } catch (error) {
    if (isSystemError(error, "ENOENT")) return;
    host.log.warn(`the socket stays: ${messageOf(error)}`, { phase: "stop" });
  }
}

function processesOf(sandbox: Sandbox): SandboxProcess[] {
  return [...sandbox.containers.keys()].flatMap((id) => sandbox.processes.of(id));
}
