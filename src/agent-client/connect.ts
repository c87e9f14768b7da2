/**
 * Connects to the agent behind a VM's channel: yamux over the channel, ttrpc on the agent's port, a first answer. Does
 * not know what carries the channel, nor why a VM may not come up (see vm/start-vm.ts).
 */
import { HealthDefinition } from "../protocol/gen/kata/health.ts";
import { dialPort } from "../protocol/port/dial-port.ts";
import { ttrpcClient } from "../protocol/ttrpc/client.ts";
import { TtrpcConnection } from "../protocol/ttrpc/connection.ts";
import type { SentCall } from "../protocol/ttrpc/sent-call.ts";
import { replaceSession } from "../protocol/yamux/replace-session.ts";
import type { YamuxSession } from "../protocol/yamux/session.ts";
import type { ByteStream } from "../sys/os.ts";
import { withDeadline } from "../util/deadline.ts";
import { messageOf } from "../util/errors.ts";
import type { AgentClient } from "./agent-client.ts";
import { type AgentSession, agentSession, type DialLimits, ttrpcStream } from "./agent-session.ts";
import { agentCalls, agentError } from "./calls.ts";
import { processFields, resourcesFields, specFields } from "./fields.ts";
import { agentSnapshots } from "./snapshots.ts";

/** A guest under load answers a dial late. A guest that never answers must not block a create. */
const dialTimeoutMs = 30_000;

export interface ConnectOptions extends DialLimits {
  /** Token of the agent's previous session, if its host is gone. The new session replaces that one. */
  readonly replacing?: Uint8Array | undefined;
  /** The session that the agent is in, left by `leaveSession` in the VM that this one is a copy of. */
  readonly resumes?: AgentSession | undefined;
  /** A call that was sent to the agent after it was left in the session that this one resumes. */
  readonly sent?: SentCall | undefined;
  /** The agent's version if another VM with the same memory has reported it. Then any answer is enough. */
  readonly knownVersion?: string | undefined;
}

/** Takes ownership of the channel, also on failure. */
export async function connectAgent(channel: ByteStream, options: ConnectOptions): Promise<AgentClient> {
  const { signal, timeoutMs, replacing, resumes } = options;
  const connect = async (within: AbortSignal): Promise<AgentClient> => {
    const carrier = replacing === undefined ? channel : await replaceSession(channel, replacing, within);
    const session = agentSession(carrier, resumes);
    try {
      return await greet(session, { ...options, signal: within });
    } catch (error) {
      session.close();
      throw error;
    }
  };
  try {
    return await withDeadline(timeoutMs, "the agent's first answer", connect, signal);
  } catch (error) {
    channel.close();
    throw error;
  }
}

async function greet(session: YamuxSession, options: ConnectOptions): Promise<AgentClient> {
  const { resumes, sent, knownVersion, timeoutMs, signal } = options;
  const connection = new TtrpcConnection(await ttrpcStream(session, resumes, options), sent);
  try {
    // Else the dial was an answer already.
    if (resumes !== undefined) await session.greeted(signal);
    if (knownVersion !== undefined) return agentClient(session, connection, knownVersion);
    const health = ttrpcClient(HealthDefinition, connection, { timeoutMs });
    const { agentVersion } = await health.version({}, { signal });
    return agentClient(session, connection, agentVersion);
  } catch (error) {
    connection.close();
    throw agentError("version", error);
  }
}

function agentClient(session: YamuxSession, connection: TtrpcConnection, version: string): AgentClient {
  return {
    ...agentCalls(connection),
    version,
    dial: async (port, signal) => {
      try {
        return await dialPort(() => session.open(), port, { signal, timeoutMs: dialTimeoutMs });
      } catch (error) {
        throw agentError("dial", error);
      }
    },
    snapshots: agentSnapshots(session, connection),
    specFields,
    processFields,
    resourcesFields,
    lost: Promise.race([connection.closed, session.closed]).then(messageOf),
    close: () => {
      connection.close();
      session.close();
    },
  };
}
