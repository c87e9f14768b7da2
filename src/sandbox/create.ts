/**
 * Creates a sandbox with its first container. If this fails, for whatever reason, nothing is left of either. An abort
 * by the caller does not interrupt the cleanup.
 */
import { disksOf } from "../storage/container-storage.ts";
import { KumiteError, messageWithCauses } from "../util/errors.ts";
import { bootSandbox } from "./boot.ts";
import { cloningOf } from "./cloning.ts";
import { machineNeedsOf } from "./machine-needs.ts";
import { type Created, type CreateRequest, makeContainer } from "./make-container.ts";
import type { Sandbox } from "./sandbox.ts";
import { hostnameOf } from "./sandbox-request.ts";
import { savingOf } from "./saving.ts";
import { stopSandbox } from "./stop.ts";

/** @throws KumiteError of the step that failed; the sandbox has ended by then */
export async function createSandbox(sandbox: Sandbox, request: CreateRequest, signal: AbortSignal): Promise<Created> {
  const { id } = request;
  const { host, state } = sandbox;
  if (!sandbox.isOwn(request) || state.phase !== "empty") {
    throw new KumiteError(
      "container/wrong-state",
      `sandbox ${host.id} has already been created: it is ${state.phase}`,
      {
        data: { id },
      },
    );
  }
  const { paths, timeline } = host;
  try {
    return await makeContainer(
      sandbox,
      request,
      { paths, timeline, onHost: undefined },
      (container, share, disks, plan) => {
        const { spec } = container.bundle;
        const hostname = hostnameOf(spec, id);
        const { isPod, ...machine } = machineNeedsOf(sandbox.host.config, container, plan);
        sandbox.saving = savingOf(sandbox.host, plan, spec.annotations);
        const saving = sandbox.saving.kind === "possible";
        const sized = { id, resources: container.resources, annotations: spec.annotations };
        const cloning = cloningOf(sandbox.host, plan, sized, machine.sharing);
        // A restored VM gets every hotplug place of the configuration, so a savable VM must have them, too.
        const needs = { cloning, ...machine, saving, takesDevices: isPod || saving, diskKinds: disksOf(plan) };
        return bootSandbox(sandbox, { hostname, share, disks, ...needs }, signal);
      },
      signal,
    );
  } catch (error) {
    host.log.error(`the container was not created: ${messageWithCauses(error)}`, { container: id, phase: "create" });
    await stopSandbox(sandbox);
    throw error;
  }
}
