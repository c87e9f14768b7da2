/**
 * The first call to an agent whose session is resumed: CreateSandbox. Its bytes depend only on the session and on the
 * request. So the process that starts the VM can put them into the channel, and the agent may have carried the call out
 * when the process that resumes the session makes it.
 */
import { CreateSandboxRequest } from "../protocol/gen/kata/agent.ts";
import { callToSend, type SentCall } from "../protocol/ttrpc/sent-call.ts";
import { encodeMessage, type MessageInit } from "../protocol/ttrpc/service.ts";
import { dataSentAhead } from "../protocol/yamux/session-state.ts";
import { type AgentSession, ttrpcStreamId } from "./agent-session.ts";
import { maxAnswerBytes, requestTimeoutMs } from "./limits.ts";

export type SandboxRequest = MessageInit<CreateSandboxRequest>;

/** Larger requests, with long parameters of kernel modules, are sent when the session is resumed. */
const mostBytes = 4096;

export interface FirstCall {
  /** To be put into the channel, one character per byte. */
  readonly text: string;
  /** The session after that. */
  readonly session: AgentSession;
  readonly sent: SentCall;
}

/** `undefined` if the request is too large to be sent ahead. */
export function firstCallOf(session: AgentSession, request: SandboxRequest): FirstCall | undefined {
  const payload = encodeMessage(CreateSandboxRequest, request);
  const limits = { timeoutMs: requestTimeoutMs, maxResponseBytes: maxAnswerBytes };
  const sent = callToSend("grpc.AgentService", "CreateSandbox", payload, limits);
  const ahead = sent.bytes.length > mostBytes ? undefined : dataSentAhead(session, ttrpcStreamId, sent.bytes);
  return ahead && { text: ahead.text, session: ahead.state, sent };
}
