/** SignalProcess. */
import { Empty } from "../../protocol/gen/google/protobuf/empty.ts";
import { SignalProcessRequest } from "../../protocol/gen/kata/agent.ts";
import { signalProcess as send } from "../container/signal.ts";
import { rpc } from "./rpc.ts";

export const signalProcess = rpc("SignalProcess", SignalProcessRequest, Empty, (agent, request) => {
  send(agent.sandbox.container(request.containerId), request.execId, request.signal);
  return undefined;
});
