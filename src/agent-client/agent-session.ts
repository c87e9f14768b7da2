/**
 * The host's session with an agent: its parameters, and how it is left for the copies of a VM that is saved while the
 * session is open. `connectAgent` begins a session or resumes one that was left.
 */
import { dialPort } from "../protocol/port/dial-port.ts";
import { YamuxSession } from "../protocol/yamux/session.ts";
import { isSessionState, type SessionState, sessionGreeting } from "../protocol/yamux/session-state.ts";
import type { ByteStream } from "../sys/os.ts";

/** The port on which the agent serves ttrpc, given by the protocol. */
const agentPort = 1024;
/** Per stream: large enough that a guest's output does not wait for our window updates. */
const receiveWindowBytes = 1024 * 1024;
/** The first stream that a client opens is the one for ttrpc. */
export const ttrpcStreamId = 1;

/** The agent has accepted the connection for requests and has received none. */
export type AgentSession = SessionState;

export const isAgentSession: (value: unknown) => value is AgentSession = isSessionState;

/** The first bytes to an agent whose session is resumed; ASCII. */
export const agentGreeting: () => string = sessionGreeting;

export interface DialLimits {
  readonly signal: AbortSignal;
  /** Time until the agent's first answer. The VM may still have to boot. */
  readonly timeoutMs: number;
}

/** Takes ownership of the channel. @param resumes default: the agent has no session yet */
export function agentSession(channel: ByteStream, resumes?: AgentSession): YamuxSession {
  return new YamuxSession(channel, { role: "client", receiveWindowBytes, resumes });
}

/** Returns the stream for requests. In a resumed session the agent has not answered at this point. */
export async function ttrpcStream(
  session: YamuxSession,
  resumes: AgentSession | undefined,
  limits: DialLimits,
): Promise<ByteStream> {
  return resumes === undefined ? dialPort(() => session.open(), agentPort, limits) : session.resumed(ttrpcStreamId);
}

/**
 * Opens the connection to the agent of a VM that is about to be saved, and leaves it idle. The caller keeps the channel
 * and closes it once the VM is saved.
 * @throws KumiteError `protocol/closed`, `protocol/violation`, `timeout`, `aborted`
 */
export async function leaveSession(channel: ByteStream, limits: DialLimits): Promise<AgentSession> {
  const session = agentSession(channel);
  await ttrpcStream(session, undefined, limits);
  return session.suspend(limits.signal);
}
