/**
 * Reads the specification of a container that is not ordinary, or whose host computes no outline. A part of the agent's
 * code that is loaded on demand.
 */
import type { CreateContainerRequest } from "../../protocol/gen/kata/agent.ts";
import type { SeccompFilter } from "../../seccomp/filter.ts";
import type { Agent } from "../agent.ts";
import { deviceLimits } from "../cgroup/device-limits.ts";
import type { CreateRequest } from "../container/create.ts";
import { readContainer } from "../spec/container.ts";
import type { ContainerPlan } from "../spec/plan.ts";
import { readSeccomp } from "../spec/seccomp.ts";
import { containerOutline } from "../steps/make-outline.ts";
import { readyDevices } from "../storage/ready-storages.ts";

export type What = Pick<CreateRequest, "outline" | "devices" | "seccomp" | "steps" | "plan" | "guestHooks">;

/** Everything that the specification says. */
export async function specified(
  agent: Agent,
  request: CreateContainerRequest,
  document: unknown,
  id: string,
  signal: AbortSignal,
): Promise<What> {
  const seccomp = await readSeccomp(request, document);
  const read = planOf(document, id, seccomp);
  const plan = await readyDevices(agent, read, request.devices, signal);
  return {
    outline: containerOutline(plan),
    devices: deviceLimits(plan.cgroup.devices),
    seccomp,
    steps: undefined,
    plan: async () => plan,
    guestHooks: await guestHooksFor(agent, plan, document),
  };
}

/** @throws KumiteError `oci/spec-invalid`, `oci/unsupported`; both name the key */
export function planOf(document: unknown, id: string, seccomp: SeccompFilter | undefined): ContainerPlan {
  const { process, ...rest } = readContainer(document, id);
  return { ...rest, process: { ...process, seccomp } };
}

/** Few sandboxes have such hooks, so the code that runs them is loaded on demand. */
async function guestHooksFor({ sandbox, log }: Agent, { hooks }: ContainerPlan, document: unknown) {
  const { hookPath } = sandbox;
  if (hookPath === "") return undefined;
  const { GuestHooks } = await import("../container/guest-hooks.ts");
  return () => new GuestHooks(hookPath, log, hooks.state, document);
}
