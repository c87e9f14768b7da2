/** Gives a container new limits, inside the guest; the size of the machine stays. */
import { mergeResources } from "../oci/merge-resources.ts";
import { validateResources } from "../oci/validate.ts";
import { requireState } from "./container.ts";
import { recordContainer } from "./record.ts";
import type { Sandbox } from "./sandbox.ts";

const callTimeoutMs = 20_000;

/**
 * All of it or nothing. What the document does not name, or names as zero or empty, stays.
 *
 * @param document in the form of `linux.resources`, parsed
 * @throws KumiteError `container/wrong-state`, `oci/spec-invalid`, `cgroup/failed`
 */
export async function updateContainer(sandbox: Sandbox, id: string, document: unknown): Promise<void> {
  const container = sandbox.container(id);
  requireState(sandbox, container, "update");
  // As with runc the rules of devices are those of the create.
  const { devices, ...resources } = validateResources(document, "the new resources");
  if (devices !== undefined && devices.length > 0) {
    sandbox.host.log.warn("device rules of an update are not applied", { container: id });
  }
  const { agent } = sandbox.running().vm;
  await agent.updateContainer({ containerId: id, ...agent.resourcesFields(resources) }, { timeoutMs: callTimeoutMs });
  container.resources = mergeResources(container.resources, resources);
  sandbox.host.log.info("container updated", { container: id });
  await recordContainer(sandbox, container);
}
