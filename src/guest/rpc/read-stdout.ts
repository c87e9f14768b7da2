/** ReadStdout: blocks until there is data; empty data means the end. */
import { ReadStreamRequest, ReadStreamResponse } from "../../protocol/gen/kata/agent.ts";
import { rpc } from "./rpc.ts";

export const readStdout = rpc("ReadStdout", ReadStreamRequest, ReadStreamResponse, async (agent, request, context) => {
  const { io } = agent.sandbox.container(request.containerId).process(request.execId);
  return { data: await io.read("stdout", request.len, context.signal) };
});
