/** Disks of a container that is added to a running VM: plugged in for the container and unplugged when it leaves. */
import { hypervisorConfigOf } from "../config/config.ts";
import type { Disk } from "../hypervisor/spec.ts";
import { withDeadline } from "../util/deadline.ts";
import { KumiteError, messageOf } from "../util/errors.ts";
import { withDiskDefaults } from "../vm/disk-defaults.ts";
import type { Container } from "./container.ts";
import type { Sandbox } from "./sandbox.ts";

/** How long the guest may take to release a disk from which nothing is mounted any more. */
const removeTimeoutMs = 10_000;

/**
 * @throws KumiteError `hypervisor/unsupported`, `hypervisor/plug-failed`; disks plugged by then are in
 *   `container.plugged`
 */
export async function plugDisks(
  sandbox: Sandbox,
  container: Container,
  disks: readonly Disk[],
  signal: AbortSignal,
): Promise<void> {
  if (disks.length === 0) return;
  const { plug } = sandbox.running().vm.machine;
  if (plug === undefined) {
    throw new KumiteError("hypervisor/unsupported", `container ${container.id}: no disk can be added to this VM`, {
      phase: "storage.plug",
      data: { id: container.id },
    });
  }
  const machine = hypervisorConfigOf(sandbox.host.config);
  for (const disk of disks) {
    container.plugged.push(await plug.addDisk(withDiskDefaults(machine, disk), signal));
  }
}

/**
 * Call when the guest no longer uses the disks. Never rejects: a disk that the guest does not release ends with the VM.
 */
export async function unplugDisks(sandbox: Sandbox, container: Container): Promise<void> {
  if (sandbox.state.phase !== "running") return;
  for (const device of container.plugged.splice(0).reverse()) {
    try {
      await withDeadline(removeTimeoutMs, `removing ${device.id}`, (signal) => device.remove(signal));
    } catch (error) {
      sandbox.host.log.warn(`a disk of the container could not be unplugged: ${messageOf(error)}`, {
        container: container.id,
        phase: "stop",
      });
    }
  }
}
