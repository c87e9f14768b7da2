/** ExecProcess: the process runs when the call returns. */
import { Empty } from "../../protocol/gen/google/protobuf/empty.ts";
import { ExecProcessRequest } from "../../protocol/gen/kata/agent.ts";
import type { Container } from "../container/container.ts";
import { execProcess as exec } from "../container/exec.ts";
import { decodeOutline, type ProcessOutline } from "../steps/outline.ts";
import { checkId, jsonDocument, refuseUsed, stdioPorts } from "./request.ts";
import { rpc } from "./rpc.ts";
import type { What } from "./specified-process.ts";

/** Loaded on demand, as in create-container.ts. */
const specifications = () => import("./specified-process.ts");

/** The outline that the host has computed for an ordinary process, as in create-container.ts. */
function outlined(request: ExecProcessRequest, container: Container): What | undefined {
  // The ids in the outline are not translated to those outside the container's user namespace.
  if (container.user !== undefined) return undefined;
  const outline = decodeOutline<ProcessOutline>(request.kumiteOutline);
  if (outline === undefined) return undefined;
  const plan = async () => (await specifications()).planOf(jsonDocument(request.kumiteOciJson));
  return { outline, steps: request.kumiteSteps, plan, cgroup: outline.cgroup };
}

export const execProcess = rpc("ExecProcess", ExecProcessRequest, Empty, async (agent, request, context) => {
  const { containerId } = request;
  const execId = checkId(request.execId, "exec");
  const container = agent.sandbox.container(containerId);
  refuseUsed({ string_user: request.stringUser !== undefined });
  const what = outlined(request, container) ?? (await (await specifications()).specified(request, container));
  agent.notices.notApplied(containerId, what.outline.notApplied);
  await exec(agent, container, { execId, ...what, ports: stdioPorts(request) }, context.signal);
  agent.log.debug("process started", { container: containerId, execId });
  return undefined;
});
