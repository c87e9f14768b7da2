/** CloseStdin. */
import { Empty } from "../../protocol/gen/google/protobuf/empty.ts";
import { CloseStdinRequest } from "../../protocol/gen/kata/agent.ts";
import { rpc } from "./rpc.ts";

export const closeStdin = rpc("CloseStdin", CloseStdinRequest, Empty, async (agent, request) => {
  await agent.sandbox.container(request.containerId).process(request.execId).io.closeInput();
  return undefined;
});
