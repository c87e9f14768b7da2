/** WaitProcess: blocks; the status is 128 and the signal's number for a process that was killed. */
import { WaitProcessRequest, WaitProcessResponse } from "../../protocol/gen/kata/agent.ts";
import { exitCode } from "../container/born-process.ts";
import { waitProcess as wait } from "../container/wait.ts";
import { rpc } from "./rpc.ts";

export const waitProcess = rpc(
  "WaitProcess",
  WaitProcessRequest,
  WaitProcessResponse,
  async (agent, request, context) => {
    const container = agent.sandbox.container(request.containerId);
    return { status: exitCode(await wait(container, request.execId, context.signal)) };
  },
);
