/** ExecProcess: the process runs when the call returns. */
import { Empty } from "../../protocol/gen/google/protobuf/empty.ts";
import { ExecProcessRequest } from "../../protocol/gen/kata/agent.ts";
import { execProcess as exec } from "../container/exec.ts";
import { Fields } from "../spec/fields.ts";
import { checkMapped } from "../spec/id-mappings.ts";
import { readProcess } from "../spec/process.ts";
import { checkId, jsonDocument, messageDocument, refuseUsed, stdioPorts } from "./request.ts";
import { rpc } from "./rpc.ts";

export const execProcess = rpc("ExecProcess", ExecProcessRequest, Empty, async (agent, request, context) => {
  const { containerId } = request;
  const execId = checkId(request.execId, "exec");
  const container = agent.sandbox.container(containerId);
  refuseUsed({ string_user: request.stringUser !== undefined });
  const document = jsonDocument(request.kumiteOciJson) ?? (await messageDocument("process", request.process));
  const notApplied: string[] = [];
  const fields = new Fields(document, "process");
  const plan = readProcess(fields, (phrase) => notApplied.push(phrase));
  checkMapped(plan.user, container.user);
  agent.notices.notApplied(containerId, notApplied);
  await exec(
    agent,
    container,
    { execId, plan, ports: stdioPorts(request), cgroup: fields.text("kumiteCgroup") },
    context.signal,
  );
  agent.log.debug("process started", { container: containerId, execId });
  return undefined;
});
