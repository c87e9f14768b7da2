/** StartContainer. */
import { Empty } from "../../protocol/gen/google/protobuf/empty.ts";
import { StartContainerRequest } from "../../protocol/gen/kata/agent.ts";
import { startContainer as start } from "../container/start.ts";
import { rpc } from "./rpc.ts";

export const startContainer = rpc("StartContainer", StartContainerRequest, Empty, async (agent, request, context) => {
  await start(agent.sandbox.container(request.containerId), context.signal);
  agent.log.debug("container started", { container: request.containerId });
  return undefined;
});
