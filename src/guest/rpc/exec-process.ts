/** ExecProcess: the process runs when the call returns. */
import { Empty } from "../../protocol/gen/google/protobuf/empty.ts";
import { ExecProcessRequest } from "../../protocol/gen/kata/agent.ts";
import type { Container } from "../container/container.ts";
import { type ExecRequest, execProcess as exec } from "../container/exec.ts";
import { Fields } from "../spec/fields.ts";
import { checkMapped } from "../spec/id-mappings.ts";
import type { ProcessPlan } from "../spec/plan.ts";
import { readProcess } from "../spec/process.ts";
import { decodeOutline, type ProcessOutline, processOutline } from "../steps/outline.ts";
import { checkId, jsonDocument, messageDocument, refuseUsed, stdioPorts } from "./request.ts";
import { rpc } from "./rpc.ts";

type What = Pick<ExecRequest, "outline" | "steps" | "plan" | "cgroup">;

/** As that of create-container.ts: what the host has computed of a process of the usual kind. */
function outlined(request: ExecProcessRequest, container: Container): What | undefined {
  // Whose ids are not those of the agent.
  if (container.user !== undefined) return undefined;
  const outline = decodeOutline<ProcessOutline>(request.kumiteOutline);
  if (outline === undefined) return undefined;
  const plan = (): ProcessPlan => readProcess(new Fields(jsonDocument(request.kumiteOciJson), "process"), () => {});
  return { outline, steps: request.kumiteSteps, plan, cgroup: outline.cgroup };
}

async function specified(request: ExecProcessRequest, { user }: Container): Promise<What> {
  const document = jsonDocument(request.kumiteOciJson) ?? (await messageDocument("process", request.process));
  const notApplied: string[] = [];
  const fields = new Fields(document, "process");
  const plan = readProcess(fields, (phrase) => notApplied.push(phrase));
  checkMapped(plan.user, user);
  const outline = processOutline(plan, user, notApplied);
  return { outline, steps: undefined, plan: () => plan, cgroup: fields.text("kumiteCgroup") };
}

export const execProcess = rpc("ExecProcess", ExecProcessRequest, Empty, async (agent, request, context) => {
  const { containerId } = request;
  const execId = checkId(request.execId, "exec");
  const container = agent.sandbox.container(containerId);
  refuseUsed({ string_user: request.stringUser !== undefined });
  const what = outlined(request, container) ?? (await specified(request, container));
  agent.notices.notApplied(containerId, what.outline.notApplied);
  await exec(agent, container, { execId, ...what, ports: stdioPorts(request) }, context.signal);
  agent.log.debug("process started", { container: containerId, execId });
  return undefined;
});
