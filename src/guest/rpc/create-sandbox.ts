/** CreateSandbox: its name, and what the host shares with it. */

import { Empty } from "../../protocol/gen/google/protobuf/empty.ts";
import { CreateSandboxRequest } from "../../protocol/gen/kata/agent.ts";
import { sethostname } from "../../sys/linux/machine.ts";
import { KumiteError } from "../../util/errors.ts";
import { rpc } from "./rpc.ts";

export const createSandbox = rpc("CreateSandbox", CreateSandboxRequest, Empty, (agent, request) => {
  agent.sandbox.checkAbsent();
  if (request.sandboxPidns) {
    throw new KumiteError("oci/unsupported", "a pid namespace shared by the sandbox is not supported");
  }
  if (request.dns.length > 0) agent.log.warn("name servers of the sandbox are accepted, but not applied");
  if (request.guestHookPath !== "") agent.log.warn("hooks of the guest are accepted, but not applied");
  for (const { name } of request.kernelModules) agent.modules.need(name);
  const storages = agent.storages.acquire(request.storages);
  try {
    if (request.hostname !== "") sethostname(request.hostname);
    agent.sandbox.begin({ id: request.sandboxId, storages });
  } catch (error) {
    storages.release();
    throw error;
  }
  agent.log.info("sandbox created", { sandbox: request.sandboxId });
  return undefined;
});
