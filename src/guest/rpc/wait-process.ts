/** WaitProcess: blocks until the process ends. For a killed process, the status is 128 plus the signal's number. */
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
