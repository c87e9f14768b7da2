/** ReadStderr: as ReadStdout. With a terminal, stderr is at its end from the beginning. */
import { ReadStreamRequest, ReadStreamResponse } from "../../protocol/gen/kata/agent.ts";
import { rpc } from "./rpc.ts";

export const readStderr = rpc("ReadStderr", ReadStreamRequest, ReadStreamResponse, async (agent, request, context) => {
  const { io } = agent.sandbox.container(request.containerId).process(request.execId);
  return { data: await io.read("stderr", request.len, context.signal) };
});
