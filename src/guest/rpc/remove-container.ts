/** RemoveContainer. `timeout` is in seconds; 0 means no limit other than the call's own. */
import { Empty } from "../../protocol/gen/google/protobuf/empty.ts";
import { RemoveContainerRequest } from "../../protocol/gen/kata/agent.ts";
import { withDeadline } from "../../util/deadline.ts";
import { removeContainer as remove } from "../container/remove.ts";
import { rpc } from "./rpc.ts";

export const removeContainer = rpc(
  "RemoveContainer",
  RemoveContainerRequest,
  Empty,
  async (agent, request, context) => {
    const { containerId, timeout } = request;
    await agent.sandbox.remove(containerId, (container) => {
      if (timeout === 0) return remove(container, agent.log, context.signal);
      const what = `removing container ${containerId}`;
      return withDeadline(timeout * 1000, what, (limit) => remove(container, agent.log, limit), context.signal);
    });
    agent.log.debug("container removed", { container: containerId });
    return undefined;
  },
);
