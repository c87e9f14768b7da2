/** CreateContainer. */
import { Empty } from "../../protocol/gen/google/protobuf/empty.ts";
import { CreateContainerRequest } from "../../protocol/gen/kata/agent.ts";
import type { Agent } from "../agent.ts";
import { createContainer as create } from "../container/create.ts";
import { readContainer } from "../spec/container.ts";
import type { ContainerPlan } from "../spec/plan.ts";
import { readSeccomp } from "../spec/seccomp.ts";
import { readyDevices, readyStorages } from "../storage/ready-storages.ts";
import { checkId, jsonDocument, messageDocument, refuseUsed, stdioPorts } from "./request.ts";
import { rpc } from "./rpc.ts";

/** Few sandboxes name any: what runs them is read with the first that does. */
async function guestHooksFor({ sandbox, log }: Agent, { hooks }: ContainerPlan, document: unknown) {
  const { hookPath } = sandbox;
  if (hookPath === "") return undefined;
  const { GuestHooks } = await import("../container/guest-hooks.ts");
  return () => new GuestHooks(hookPath, log, hooks.state, document);
}

export const createContainer = rpc(
  "CreateContainer",
  CreateContainerRequest,
  Empty,
  async (agent, request, context) => {
    const id = checkId(request.containerId, "container");
    const execId = request.execId === "" ? id : checkId(request.execId, "exec");
    agent.sandbox.checkRunning();
    refuseUsed({
      string_user: request.stringUser !== undefined,
      shared_mounts: request.sharedMounts.length > 0,
    });
    const document = jsonDocument(request.kumiteOciJson) ?? (await messageDocument("spec", request.OCI));
    await agent.sandbox.add(id, async () => {
      const { process, ...rest } = readContainer(document, id);
      const read = { ...rest, process: { ...process, seccomp: await readSeccomp(request, document) } };
      const storages = await readyStorages(agent, request.storages, context.signal);
      const plan = await readyDevices(agent, read, request.devices, context.signal);
      const sharesPids = request.sandboxPidns || agent.sandbox.sharesPids;
      const sharedPid = sharesPids ? agent.sandbox.sharedPidNamespace : undefined;
      const ports = stdioPorts(request);
      const guestHooks = await guestHooksFor(agent, plan, document);
      return create(agent, { id, execId, plan, storages, ports, sharedPid, guestHooks }, context.signal);
    });
    agent.log.debug("container created", { container: id });
    return undefined;
  },
);
