/** CreateContainer. */
import { Empty } from "../../protocol/gen/google/protobuf/empty.ts";
import { CreateContainerRequest } from "../../protocol/gen/kata/agent.ts";
import type { Agent } from "../agent.ts";
import { createContainer as create } from "../container/create.ts";
import { givenSeccomp } from "../spec/seccomp.ts";
import { type ContainerOutline, decodeOutline } from "../steps/outline.ts";
import { readyStorages } from "../storage/ready-storages.ts";
import { checkId, jsonDocument, messageDocument, refuseUsed, stdioPorts } from "./request.ts";
import { rpc } from "./rpc.ts";
import type { What } from "./specified-container.ts";

/**
 * The outline that the host has computed for an ordinary container. `undefined`: the agent must read the specification
 * itself, because the host computes no outline, has another version, or cannot know something that only this guest
 * knows.
 */
function usableOutline({ sandbox }: Agent, request: CreateContainerRequest): ContainerOutline | undefined {
  if (request.devices.length > 0 || sandbox.hookPath !== "") return undefined;
  return decodeOutline<ContainerOutline>(request.kumiteOutline);
}

/** The code that reads specifications is loaded only when one has to be read. */
const specifications = () => import("./specified-container.ts");

function outlined(request: CreateContainerRequest, outline: ContainerOutline, id: string): What {
  // A copy: the request's buffer is large, and the container keeps its filter.
  const seccomp = givenSeccomp(request);
  return {
    outline,
    devices: { rules: outline.deviceRules ?? "", program: request.kumiteDeviceProgram },
    seccomp,
    steps: request.kumiteSteps,
    plan: async () => (await specifications()).planOf(jsonDocument(request.kumiteOciJson), id, seccomp),
    guestHooks: undefined,
  };
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
    const outline = usableOutline(agent, request);
    const document = outline ?? jsonDocument(request.kumiteOciJson) ?? (await messageDocument("spec", request.OCI));
    await agent.sandbox.add(id, async () => {
      const what =
        outline === undefined
          ? await (await specifications()).specified(agent, request, document, id, context.signal)
          : outlined(request, outline, id);
      const storages = await readyStorages(agent, request.storages, context.signal);
      const sharesPids = request.sandboxPidns || agent.sandbox.sharesPids;
      const sharedPid = sharesPids ? agent.sandbox.sharedPidNamespace : undefined;
      const ports = stdioPorts(request);
      return create(agent, { id, execId, ...what, storages, ports, sharedPid }, context.signal);
    });
    agent.log.debug("container created", { container: id });
    return undefined;
  },
);
