/**
 * Boots a machine up to where its agent listens and saves it there. Nobody has spoken to its agent, and it has no sandbox:
 * whatever goes on from there begins with its first request.
 */
import type { Config } from "../config/config.ts";
import type { StartContext } from "../hypervisor/driver.ts";
import type { Os } from "../sys/os.ts";
import { KumiteError } from "../util/errors.ts";
import { driverFor } from "./driver-for.ts";
import { notUp } from "./start-vm.ts";
import { specOf, type VmRequest } from "./vm-spec.ts";

const consoleLines = 30;

/**
 * The state of its devices; its memory is in the file of `request.memoryBacking`. The machine is gone when this resolves.
 *
 * @param socket for the state's way, at most 107 bytes
 * @throws KumiteError `hypervisor/unsupported` when the driver's machines cannot be saved; of the driver;
 *   `agent/unreachable` when the guest does not come up
 */
export async function saveVm(
  os: Os,
  config: Config,
  request: VmRequest,
  socket: string,
  context: StartContext,
): Promise<Uint8Array> {
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
    await snapshots.agentListens(config.agent.dialTimeoutMs, context.signal).catch((error: unknown) => {
      if (context.signal.aborted) throw error;
      throw notUp(request.id, error, { console: machine.consoleTail(consoleLines) });
    });
    return await snapshots.save(socket, context.signal);
  } finally {
    await machine.stop();
  }
}
