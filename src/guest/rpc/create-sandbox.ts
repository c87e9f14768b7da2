/** CreateSandbox: begins a sandbox with its name and the storages that the host shares with it. */
import { Empty } from "../../protocol/gen/google/protobuf/empty.ts";
import { CreateSandboxRequest } from "../../protocol/gen/kata/agent.ts";
import { sethostname } from "../../sys/linux/machine.ts";
import { startPauseProcess } from "../sandbox/pause-process.ts";
import { readyStorages } from "../storage/ready-storages.ts";
import { rpc } from "./rpc.ts";

export const createSandbox = rpc("CreateSandbox", CreateSandboxRequest, Empty, async (agent, request, context) => {
  agent.sandbox.checkAbsent();
  if (request.dns.length > 0) agent.log.warn("name servers of the sandbox are accepted, but not applied");
  for (const { name, parameters } of request.kernelModules) agent.modules.load(name, parameters);
  const ready = await readyStorages(agent, request.storages, context.signal);
  // Another call may have created one while this one waited for a disk.
  agent.sandbox.checkAbsent();
  const storages = agent.storages.acquire(ready);
  try {
    agent.sandbox.takeNamespaces();
    if (request.hostname !== "") sethostname(request.hostname);
    const pause = request.sandboxPidns ? startPauseProcess() : undefined;
    agent.sandbox.begin({ id: request.sandboxId, storages, hookPath: request.guestHookPath, pause });
  } catch (error) {
    storages.release();
    throw error;
  }
  agent.log.info("sandbox created", { sandbox: request.sandboxId });
  return undefined;
});
