/** PauseContainer: no process of the container runs when the call returns. */
import { Empty } from "../../protocol/gen/google/protobuf/empty.ts";
import { PauseContainerRequest } from "../../protocol/gen/kata/control.ts";
import { pauseContainer as pause } from "../container/pause.ts";
import { rpc } from "./rpc.ts";

export const pauseContainer = rpc("PauseContainer", PauseContainerRequest, Empty, async (agent, request, context) => {
  await pause(agent.sandbox.container(request.containerId), context.signal);
  agent.log.debug("container paused", { container: request.containerId });
  return undefined;
});
