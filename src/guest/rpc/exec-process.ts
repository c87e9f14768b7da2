/** ExecProcess: the process runs when the call returns. */

import { Empty } from "../../protocol/gen/google/protobuf/empty.ts";
import { ExecProcessRequest } from "../../protocol/gen/kata/agent.ts";
import { KumiteError } from "../../util/errors.ts";
import { execProcess as exec } from "../container/exec.ts";
import { Fields } from "../spec/fields.ts";
import { processDocument } from "../spec/from-messages.ts";
import { readProcess } from "../spec/process.ts";
import { checkId, jsonDocument, refuseUsed, stdioPorts } from "./request.ts";
import { rpc } from "./rpc.ts";
import { withoutField } from "./skip-field.ts";

/** Of `process` and `kumiteOciJson`. */
const messageField = 4;
const jsonField = 1000;

const requestType = {
  decode: (bytes: Uint8Array) => ExecProcessRequest.decode(withoutField(bytes, messageField, jsonField)),
};

export const execProcess = rpc("ExecProcess", requestType, Empty, async (agent, request, context) => {
  const { containerId } = request;
  const execId = checkId(request.execId, "exec");
  const container = agent.sandbox.container(containerId);
  refuseUsed({ string_user: request.stringUser !== undefined });
  const document = jsonDocument(request.kumiteOciJson) ?? (request.process && processDocument(request.process));
  if (document === undefined) throw new KumiteError("usage/invalid", "the request has no process");
  const notApplied: string[] = [];
  const plan = readProcess(new Fields(document, "process"), (phrase) => notApplied.push(phrase));
  agent.notices.notApplied(containerId, notApplied);
  await exec(agent, container, { execId, plan, ports: stdioPorts(request) }, context.signal);
  agent.log.debug("process started", { container: containerId, execId });
  return undefined;
});
