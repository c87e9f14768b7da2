/**
 * ExpectReplacement: the VM is about to be saved. In a copy of it, the agent begins the session with the new host with
 * this token.
 */
import { ExpectReplacementRequest, ExpectReplacementResponse } from "../../protocol/gen/kumite/agent/v1/agent.ts";
import { sessionTokenLength } from "../../protocol/yamux/session-token.ts";
import { KumiteError } from "../../util/errors.ts";
import { rpc } from "./rpc.ts";

export const expectReplacement = rpc(
  "ExpectReplacement",
  ExpectReplacementRequest,
  ExpectReplacementResponse,
  (agent, { token }) => {
    if (token.length !== sessionTokenLength) {
      throw new KumiteError("usage/invalid", `a token must have ${sessionTokenLength} bytes, not ${token.length}`);
    }
    // Otherwise each copy would write them.
    agent.flushLog();
    agent.channel.expectReplacement(token);
    return undefined;
  },
);
