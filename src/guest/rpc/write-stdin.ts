/** WriteStdin: `len` is 0, without an error, when no process reads the input any more. */
import { WriteStreamRequest, WriteStreamResponse } from "../../protocol/gen/kata/agent.ts";
import { rpc } from "./rpc.ts";

export const writeStdin = rpc("WriteStdin", WriteStreamRequest, WriteStreamResponse, async (agent, request) => {
  const { io } = agent.sandbox.container(request.containerId).process(request.execId);
  return { len: await io.write(request.data) };
});
