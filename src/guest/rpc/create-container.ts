/** CreateContainer. */

import { Empty } from "../../protocol/gen/google/protobuf/empty.ts";
import { CreateContainerRequest } from "../../protocol/gen/kata/agent.ts";
import { KumiteError } from "../../util/errors.ts";
import { createContainer as create } from "../container/create.ts";
import { readContainer } from "../spec/container.ts";
import { specDocument } from "../spec/from-messages.ts";
import { readSeccomp } from "../spec/seccomp.ts";
import { checkId, jsonDocument, refuseUsed, stdioPorts } from "./request.ts";
import { rpc } from "./rpc.ts";
import { withoutField } from "./skip-field.ts";

/** Of `OCI` and `kumiteOciJson`. */
const messageField = 6;
const jsonField = 1000;

/** Decoding the messages takes longer than everything else that is done with the specification. */
const requestType = {
  decode: (bytes: Uint8Array) => CreateContainerRequest.decode(withoutField(bytes, messageField, jsonField)),
};

export const createContainer = rpc("CreateContainer", requestType, Empty, async (agent, request, context) => {
  const id = checkId(request.containerId, "container");
  const execId = request.execId === "" ? id : checkId(request.execId, "exec");
  agent.sandbox.checkRunning();
  refuseUsed({
    devices: request.devices.length > 0,
    string_user: request.stringUser !== undefined,
    sandbox_pidns: request.sandboxPidns,
    shared_mounts: request.sharedMounts.length > 0,
  });
  await agent.sandbox.add(id, async () => {
    const document = jsonDocument(request.kumiteOciJson) ?? (request.OCI && specDocument(request.OCI));
    if (document === undefined) throw new KumiteError("usage/invalid", "the request has no specification");
    const { process, ...rest } = readContainer(document, id);
    const plan = { ...rest, process: { ...process, seccomp: await readSeccomp(request, document) } };
    return create(agent, { id, execId, plan, storages: request.storages, ports: stdioPorts(request) }, context.signal);
  });
  agent.log.debug("container created", { container: id });
  return undefined;
});
