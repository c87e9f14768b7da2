/** Gives a container new limits: in its guest, and by the size of the machine and its limits on the host. */
import { mergeResources } from "../oci/merge-resources.ts";
import { validateResources } from "../oci/validate.ts";
import { messageOf } from "../util/errors.ts";
import { type Container, requireState } from "./container.ts";
import { growMachine, limitMachine, shrinkMachine } from "./fit-machine.ts";
import { pinVcpus } from "./pin-vcpus.ts";
import { recordContainer } from "./record.ts";
import type { Sandbox } from "./sandbox.ts";

const callTimeoutMs = 20_000;

/**
 * All of it or nothing: a machine that was made larger for limits that are refused becomes as it was, but for modules of
 * memory. What the document does not name, or names as zero or empty, stays.
 *
 * @param document in the form of `linux.resources`, parsed
 * @throws KumiteError `container/wrong-state`, `oci/spec-invalid`, `cgroup/failed`, `hypervisor/plug-failed`
 */
export async function updateContainer(sandbox: Sandbox, id: string, document: unknown): Promise<void> {
  const container = sandbox.container(id);
  requireState(sandbox, container, "update");
  // As with runc the rules of devices are those of the create.
  const { devices, ...resources } = validateResources(document, "the new resources");
  if (devices !== undefined && devices.length > 0) {
    sandbox.host.log.warn("device rules of an update are not applied", { container: id });
  }
  const before = container.resources;
  container.resources = mergeResources(before, resources);
  const { agent } = sandbox.running().vm;
  try {
    // First: the guest leaves out processors that it does not have yet.
    await growMachine(sandbox);
    await limitMachine(sandbox);
    await agent.updateContainer({ containerId: id, ...agent.resourcesFields(resources) }, { timeoutMs: callTimeoutMs });
  } catch (error) {
    await takeBack(sandbox, container, before);
    throw error;
  }
  await shrinkMachine(sandbox);
  await pinVcpus(sandbox);
  sandbox.host.log.info("container updated", { container: id });
  await recordContainer(sandbox, container);
}

async function takeBack(sandbox: Sandbox, container: Container, before: Container["resources"]): Promise<void> {
  container.resources = before;
  await shrinkMachine(sandbox);
  try {
    await limitMachine(sandbox);
  } catch (error) {
    sandbox.host.log.error(`the host's limits could not be restored: ${messageOf(error)}`, { container: container.id });
  }
}
