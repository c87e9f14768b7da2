/**
 * Starts a VM and waits for its agent. This part of a start is the same for all drivers. If the guest does not come up,
 * the error says how far it got.
 */
import type { AgentClient } from "../agent-client/agent-client.ts";
import { connectAgent } from "../agent-client/connect.ts";
import { renamedAgent } from "../agent-client/renamed.ts";
import type { Config } from "../config/config.ts";
import { busyHint } from "../hypervisor/busy-hint.ts";
import type { RunningVm, StartContext, VmExit } from "../hypervisor/driver.ts";
import { slowMemoryHint } from "../hypervisor/memory-hint.ts";
import type { Os } from "../sys/os.ts";
import { withDeadline } from "../util/deadline.ts";
import { isKumiteError, KumiteError } from "../util/errors.ts";
import { driverFor } from "./driver-for.ts";
import { longestMs, withGuestLimit } from "./guest-limit.ts";
import { Vm } from "./vm.ts";
import { sentAheadOf, specOf, type VmRequest } from "./vm-spec.ts";

const consoleLines = 30;
/** How long the end of a VM may take to become known after its channel broke. */
const endMs = 2_000;

/**
 * Resolves when the agent has answered. A failed start leaves nothing behind.
 * @throws KumiteError of the driver; `agent/unreachable` if the guest does not answer or ends before, with the last
 *   lines of its console
 */
export async function startVm(os: Os, config: Config, request: VmRequest, context: StartContext): Promise<Vm> {
  const startedMs = os.clock.monotonic();
  const driver = driverFor(os, config);
  const spec = specOf(config, request, driver.capabilities);
  const machine = await driver.start(spec, context);
  try {
    const { takesOver, agentVersion: knownVersion, dialTimeoutMs: timeoutMs = config.agent.dialTimeoutMs } = request;
    const ahead = sentAheadOf(request);
    const resumes = ahead?.session ?? request.agentSession;
    const options = { replacing: takesOver?.token, resumes, sent: ahead?.sent, knownVersion };
    const limit = { what: "the agent's first answer", timeoutMs, pid: machine.pid };
    const connect = (signal: AbortSignal): Promise<AgentClient> =>
      connectAgent(machine.agentChannel, { ...options, timeoutMs: longestMs(timeoutMs), signal });
    const connected = await unlessItEnds(machine, context.signal, (signal) =>
      withGuestLimit(os, limit, connect, signal),
    );
    const agent = takesOver === undefined ? connected : renamedAgent(connected, takesOver.container);
    context.log("info", "the agent answered", {
      version: agent.version,
      ms: Math.round(os.clock.monotonic() - startedMs),
    });
    return new Vm({ os, id: request.id, machine, capabilities: driver.capabilities, agent, spec, log: context.log });
  } catch (error) {
    const console = machine.consoleTail(consoleLines);
    const elapsedMs = Math.round(os.clock.monotonic() - startedMs);
    const isLate = isKumiteError(error, "timeout");
    const busy = isLate ? await busyHint(os, machine.pid, elapsedMs) : undefined;
    const hint = isLate ? ((await slowMemoryHint(os, spec.memoryMiB)) ?? busy) : undefined;
    await machine.stop();
    if (context.signal.aborted) throw error;
    throw notUp(request.id, error, { elapsedMs, console, ...(busy !== undefined && { hostIsBusy: true }) }, hint);
  }
}

/** Talks to the VM's agent. Fails as soon as the VM ends, long before the time limit. */
export async function unlessItEnds<T>(
  machine: RunningVm,
  signal: AbortSignal,
  talk: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const life = new AbortController();
  const stop = (): void => life.abort(signal.reason);
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop, { once: true });
  const ended = machine.exited.then((exit) => {
    const error = new Error(describe(exit));
    life.abort(error);
    throw error;
  });
  // If the agent answers, this promise loses the race and rejects much later.
  ended.catch(() => {});
  try {
    return await Promise.race([talk(life.signal), ended]);
  } catch (error) {
    // When a VM ends, its channel breaks a moment before the end is known. The reason for the end is the better error.
    if (!life.signal.aborted && !isKumiteError(error, "timeout")) await failSoon(ended);
    throw error;
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/** Throws the promise's rejection if it happens within a moment. */
async function failSoon(promise: Promise<never>): Promise<void> {
  try {
    await withDeadline(endMs, "the machine's end", () => promise);
  } catch (error) {
    if (!isKumiteError(error, "timeout")) throw error;
  }
}

function describe(exit: VmExit): string {
  switch (exit.reason) {
    case "stopped":
      return "the VM was stopped";
    case "guest-shutdown":
      return "the guest shut itself down";
    case "died":
      return `${exit.process} ${exit.detail}`;
  }
}

export function notUp(
  id: string,
  cause: unknown,
  data: Readonly<Record<string, unknown>>,
  hint = "`--debug` logs every step",
): KumiteError {
  return new KumiteError("agent/unreachable", `sandbox ${id}: the guest did not start`, {
    phase: "vm.start",
    hint: `\`kumite logs ${id}\` shows how far it got; ${hint}`,
    data,
    cause,
  });
}
