/** ResumeContainer. */
import { Empty } from "../../protocol/gen/google/protobuf/empty.ts";
import { ResumeContainerRequest } from "../../protocol/gen/kata/control.ts";
import { resumeContainer as resume } from "../container/pause.ts";
import { rpc } from "./rpc.ts";

export const resumeContainer = rpc(
  "ResumeContainer",
  ResumeContainerRequest,
  Empty,
  async (agent, request, context) => {
    await resume(agent.sandbox.container(request.containerId), context.signal);
    agent.log.debug("container resumed", { container: request.containerId });
    return undefined;
  },
);
