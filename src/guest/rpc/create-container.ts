/** CreateContainer. */

import { Empty } from "../../protocol/gen/google/protobuf/empty.ts";
import { CreateContainerRequest } from "../../protocol/gen/kata/agent.ts";
import { createContainer as create } from "../container/create.ts";
import { readContainer } from "../spec/container.ts";
import { readSeccomp } from "../spec/seccomp.ts";
import { checkId, jsonDocument, messageDocument, refuseUsed, stdioPorts } from "./request.ts";
import { rpc } from "./rpc.ts";

export const createContainer = rpc(
  "CreateContainer",
  CreateContainerRequest,
  Empty,
  async (agent, request, context) => {
    const id = checkId(request.containerId, "container");
    const execId = request.execId === "" ? id : checkId(request.execId, "exec");
    agent.sandbox.checkRunning();
    refuseUsed({
      devices: request.devices.length > 0,
      string_user: request.stringUser !== undefined,
      shared_mounts: request.sharedMounts.length > 0,
    });
    const document = jsonDocument(request.kumiteOciJson) ?? (await messageDocument("spec", request.OCI));
    await agent.sandbox.add(id, async () => {
      const { process, ...rest } = readContainer(document, id);
      const plan = { ...rest, process: { ...process, seccomp: await readSeccomp(request, document) } };
      const sharesPids = request.sandboxPidns || agent.sandbox.sharesPids;
      const sharedPid = sharesPids ? agent.sandbox.sharedPidNamespace : undefined;
      return create(
        agent,
        { id, execId, plan, storages: request.storages, ports: stdioPorts(request), sharedPid },
        context.signal,
      );
    });
    agent.log.debug("container created", { container: id });
    return undefined;
  },
);
