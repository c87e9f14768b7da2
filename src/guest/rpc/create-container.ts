/** CreateContainer. */
import { Empty } from "../../protocol/gen/google/protobuf/empty.ts";
import { CreateContainerRequest } from "../../protocol/gen/kata/agent.ts";
import type { SeccompFilter } from "../../seccomp/filter.ts";
import type { Agent } from "../agent.ts";
import { deviceLimits } from "../cgroup/device-filter.ts";
import { type CreateRequest, createContainer as create } from "../container/create.ts";
import { readContainer } from "../spec/container.ts";
import type { ContainerPlan } from "../spec/plan.ts";
import { givenSeccomp, readSeccomp } from "../spec/seccomp.ts";
import { type ContainerOutline, containerOutline, decodeOutline } from "../steps/outline.ts";
import { readyDevices, readyStorages } from "../storage/ready-storages.ts";
import { checkId, jsonDocument, messageDocument, refuseUsed, stdioPorts } from "./request.ts";
import { rpc } from "./rpc.ts";

type What = Pick<CreateRequest, "outline" | "devices" | "seccomp" | "steps" | "plan" | "guestHooks">;

/**
 * What the host has computed of a container of the usual kind. `undefined`: the specification has to be read, since the
 * host computes nothing or means another version, or for something that only this guest knows.
 */
function usableOutline({ sandbox }: Agent, request: CreateContainerRequest): ContainerOutline | undefined {
  if (request.devices.length > 0 || sandbox.hookPath !== "") return undefined;
  return decodeOutline<ContainerOutline>(request.kumiteOutline);
}

function outlined(request: CreateContainerRequest, outline: ContainerOutline, id: string): What {
  // Copies: the request's buffer is large, and the container keeps its filter.
  const seccomp = givenSeccomp(request);
  return {
    outline,
    devices: { rules: outline.deviceRules ?? "", program: request.kumiteDeviceProgram },
    seccomp,
    steps: request.kumiteSteps,
    plan: () => withSeccomp(readContainer(jsonDocument(request.kumiteOciJson), id), seccomp),
    guestHooks: undefined,
  };
}

/** What the specification says. */
async function specified(
  agent: Agent,
  request: CreateContainerRequest,
  document: unknown,
  id: string,
  signal: AbortSignal,
): Promise<What> {
  const seccomp = await readSeccomp(request, document);
  const read = withSeccomp(readContainer(document, id), seccomp);
  const plan = await readyDevices(agent, read, request.devices, signal);
  return {
    outline: containerOutline(plan),
    devices: deviceLimits(plan.cgroup.devices),
    seccomp,
    steps: undefined,
    plan: () => plan,
    guestHooks: await guestHooksFor(agent, plan, document),
  };
}

function withSeccomp({ process, ...rest }: ContainerPlan, seccomp: SeccompFilter | undefined): ContainerPlan {
  return { ...rest, process: { ...process, seccomp } };
}

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
    const outline = usableOutline(agent, request);
    const document = outline ?? jsonDocument(request.kumiteOciJson) ?? (await messageDocument("spec", request.OCI));
    await agent.sandbox.add(id, async () => {
      const what =
        outline === undefined
          ? await specified(agent, request, document, id, context.signal)
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
