/**
 * Boots a VM until its agent has a connection to the host, and saves it there. The agent has received no request, and
 * it has no sandbox: every clone begins with its first request.
 */
import { type AgentSession, leaveSession } from "../agent-client/agent-session.ts";
import type { Config } from "../config/config.ts";
import type { StartContext } from "../hypervisor/driver.ts";
import type { Os } from "../sys/os.ts";
import { KumiteError } from "../util/errors.ts";
import { driverFor } from "./driver-for.ts";
import { longestMs, withGuestLimit } from "./guest-limit.ts";
import { notUp, unlessItEnds } from "./start-vm.ts";
import { specOf, type VmRequest } from "./vm-spec.ts";

const consoleLines = 30;

export interface SavedVm {
  /** State of the devices; the memory is in the file of `request.memoryBacking`. */
  readonly state: Uint8Array;
  /** The session that copies of the VM resume (`VmRequest.agentSession`). */
  readonly session: AgentSession;
}

/**
 * The VM is gone when this resolves.
 * @param socket path for transferring the state, at most 107 bytes
 * @throws KumiteError `hypervisor/unsupported` if the driver cannot save VMs; errors of the driver; `agent/unreachable`
 *   if the guest does not come up
 */
export async function saveVm(
  os: Os,
  config: Config,
  request: VmRequest,
  socket: string,
  context: StartContext,
): Promise<SavedVm> {
  const driver = driverFor(os, config);
  if (!driver.capabilities.snapshots) {
    throw new KumiteError("hypervisor/unsupported", `VMs of the hypervisor ${driver.name} cannot be cloned`, {
      phase: "template.build",
      hint: "set enable_template = false in [factory], or use another hypervisor",
    });
  }
  const machine = await driver.start(specOf(config, request, driver.capabilities), context);
  try {
    const { snapshots } = machine;
    if (snapshots === undefined) throw new KumiteError("internal", `${driver.name} has no snapshots`);
    const timeoutMs = config.agent.dialTimeoutMs;
    const limit = { what: "the agent's first answer", timeoutMs, pid: machine.pid };
    const leave = (signal: AbortSignal): Promise<AgentSession> =>
      leaveSession(machine.agentChannel, { signal, timeoutMs: longestMs(timeoutMs) });
    const session = await unlessItEnds(machine, context.signal, (signal) =>
      withGuestLimit(os, limit, leave, signal),
    ).catch((error: unknown) => {
      if (context.signal.aborted) throw error;
      throw notUp(request.id, error, { console: machine.consoleTail(consoleLines) });
    });
    return { state: await snapshots.save(socket, context.signal), session };
  } finally {
    await machine.stop();
  }
}
