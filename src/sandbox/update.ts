/** Changes the limits of a container: in the guest, and by the size of the VM and its limits on the host. */
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
 * Applies everything or nothing: if limits are refused, a VM that was enlarged for them shrinks again, except for
 * DIMMs. Limits that the document omits, or gives as zero or empty, stay as they are.
 *
 * @param document parsed, in the form of `linux.resources`
 * @throws KumiteError `container/wrong-state`, `oci/spec-invalid`, `cgroup/failed`, `hypervisor/plug-failed`
 */
export async function updateContainer(sandbox: Sandbox, id: string, document: unknown): Promise<void> {
  const container = sandbox.container(id);
  requireState(sandbox, container, "update");
  // As with runc, the device rules stay those of the create.
  const { devices, ...resources } = validateResources(document, "the new resources");
  if (devices !== undefined && devices.length > 0) {
    sandbox.host.log.warn("device rules of an update are not applied", { container: id });
  }
  const before = container.resources;
  container.resources = mergeResources(before, resources);
  const { agent } = sandbox.running().vm;
  try {
    // This comes first, because the guest drops CPUs that it does not have yet.
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
