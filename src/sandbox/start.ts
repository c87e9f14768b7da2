/**
 * Starts a process: the container's own, which has waited in the guest since its create, or one that `exec` registered.
 */
import type { OciProcess } from "../oci/spec.ts";
import { withDeadline } from "../util/deadline.ts";
import { KumiteError } from "../util/errors.ts";
import { signalNumbers } from "../util/signals.ts";
import type { Vm } from "../vm/vm.ts";
import { catchUp } from "./catch-up.ts";
import { type Container, requireState, wrongState } from "./container.ts";
import { requireExecutable } from "./exec.ts";
import { processForGuest } from "./guest-spec.ts";
import { connectStreams, takePorts } from "./guest-streams.ts";
import { runPoststartHooks } from "./hooks.ts";
import { signalInGuest } from "./kill.ts";
import type { ProcessKey, SandboxProcess } from "./process.ts";
import { recordContainer } from "./record.ts";
import type { Sandbox } from "./sandbox.ts";
import { watchProcess } from "./watch.ts";

const callTimeoutMs = 60_000;
/** A relay is started before the process is requested, and needs milliseconds. */
const relayTimeoutMs = 10_000;

/**
 * Resolves when the program runs. The signal interrupts only the wait for the relay: what the guest was asked to do is
 * not undone when the caller disappears.
 *
 * @throws KumiteError `container/wrong-state`; `process/executable-not-found`; `shim/unreachable` if the relay does not
 *   connect; `hook/failed`, in which case the container was killed
 */
export async function startProcess(sandbox: Sandbox, key: ProcessKey, signal: AbortSignal): Promise<void> {
  const container = sandbox.container(key.containerId);
  const process = sandbox.processes.get(key);
  checkStartable(sandbox, container, process);
  const { timeline } = sandbox.host;
  const size = process.consoleSize;
  process.moveTo({ phase: "starting" });
  try {
    await requireRelay(process, signal);
    const { vm } = sandbox.running();
    if (process.spec === undefined) {
      await vm.agent.startContainer({ containerId: container.id }, { timeoutMs: callTimeoutMs });
    } else await startExec(sandbox, vm, process, process.spec);
  } catch (error) {
    if (process.spec === undefined) {
      process.moveTo({ phase: "created" });
      await catchUp(sandbox, process, size);
    } else dropExec(sandbox, process);
    throw error;
  }
  process.moveTo({ phase: "running", startedMs: sandbox.host.os.clock.now() });
  if (process.spec === undefined) {
    timeline.mark("start");
    await recordContainer(sandbox, container);
  }
  await catchUp(sandbox, process, size);
  if (process.spec === undefined) await runPoststartHooks(sandbox, container);
}

function checkStartable(sandbox: Sandbox, container: Container, process: SandboxProcess): void {
  const { phase } = process.state;
  const what = process.spec === undefined ? "container" : "process";
  switch (phase) {
    case "created":
      if (process.spec === undefined) requireState(sandbox, container, "start");
      else requireExecutable(sandbox, container);
      return;
    case "creating":
      throw wrongState(container, `cannot start a ${what} that is being created`);
    case "starting":
    case "running":
      throw wrongState(container, `cannot start an already running ${what}`);
    case "paused":
      throw wrongState(container, `cannot start a paused ${what}`);
    case "stopped":
      throw wrongState(container, `cannot start a ${what} that has stopped`);
  }
}

async function requireRelay(process: SandboxProcess, signal: AbortSignal): Promise<void> {
  try {
    await withDeadline(relayTimeoutMs, "waiting for the relay", () => process.attached, signal);
  } catch (cause) {
    if (signal.aborted) throw cause;
    throw new KumiteError("shim/unreachable", `the relay of ${process.title} did not connect`, {
      phase: "process.start",
      data: { pid: process.relay.pid },
      cause,
    });
  }
  if (process.relayLost) {
    throw new KumiteError("shim/unreachable", `the relay of ${process.title} has ended`, { phase: "process.start" });
  }
}

async function startExec(sandbox: Sandbox, vm: Vm, process: SandboxProcess, spec: OciProcess): Promise<void> {
  const { containerId, execId = "" } = process.key;
  const ports = takePorts(sandbox, process.terminal);
  process.ports = ports;
  const size = process.consoleSize;
  const document = {
    ...processForGuest(spec),
    terminal: process.terminal,
    ...(size === undefined ? {} : { consoleSize: { height: size.rows, width: size.columns } }),
    // Not part of the OCI specification: a private field between this host and our agent.
    ...(process.cgroup === undefined ? {} : { kumiteCgroup: process.cgroup }),
  };
  const request = { containerId, execId, ...vm.agent.processFields(document), ...ports.fields };
  try {
    await vm.agent.execProcess(request, { timeoutMs: callTimeoutMs });
    process.stdio.offerGuest(await connectStreams(vm, ports));
  } catch (error) {
    // The process may be running unless the guest reports otherwise.
    await signalInGuest(sandbox, process, signalNumbers.SIGKILL).catch(() => {});
    throw error;
  }
  watchProcess(sandbox, process);
}

/** Forgets an exec process that could not be started. Its name is free again. */
function dropExec(sandbox: Sandbox, process: SandboxProcess): void {
  process.stdio.close();
  process.stop({ exitStatus: 255, exitedMs: sandbox.host.os.clock.now() });
  process.announce();
  sandbox.processes.remove(process);
}
