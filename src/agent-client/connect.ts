/**
 * Connects to the agent behind a VM's channel: yamux over the channel, ttrpc on the agent's port, a first answer. Does
 * not know what carries the channel, nor why a VM may not come up (see vm/start-vm.ts).
 */
import { HealthDefinition } from "../protocol/gen/kata/health.ts";
import { dialPort } from "../protocol/port/dial-port.ts";
import { ttrpcClient } from "../protocol/ttrpc/client.ts";
import { TtrpcConnection } from "../protocol/ttrpc/connection.ts";
import { replaceSession } from "../protocol/yamux/replace-session.ts";
import { YamuxSession } from "../protocol/yamux/session.ts";
import type { ByteStream } from "../sys/os.ts";
import { withDeadline } from "../util/deadline.ts";
import { messageOf } from "../util/errors.ts";
import type { AgentClient } from "./agent-client.ts";
import { agentCalls, agentError } from "./calls.ts";
import { processFields, resourcesFields, specFields } from "./fields.ts";
import { agentSnapshots } from "./snapshots.ts";

/** The port on which the agent serves ttrpc, given by the protocol. */
const agentPort = 1024;
const checkTimeoutMs = 30_000;
/** A guest under load answers a dial late. A guest that never answers must not block a create. */
const dialTimeoutMs = 30_000;
/** Per stream: large enough that a guest's output does not wait for our window updates. */
const receiveWindowBytes = 1024 * 1024;

export interface ConnectOptions {
  readonly signal: AbortSignal;
  /** Time until the agent's first answer. The VM may still have to boot. */
  readonly timeoutMs: number;
  /** Token of the agent's previous session, if its host is gone. The new session replaces that one. */
  readonly replacing?: Uint8Array | undefined;
  /** The agent's version if another VM with the same memory has reported it. Then no first call is needed. */
  readonly knownVersion?: string | undefined;
}

/** Takes ownership of the channel, also on failure. */
export async function connectAgent(
  channel: ByteStream,
  { signal, timeoutMs, replacing, knownVersion }: ConnectOptions,
): Promise<AgentClient> {
  const connect = async (within: AbortSignal): Promise<AgentClient> => {
    const carrier = replacing === undefined ? channel : await replaceSession(channel, replacing, within);
    const session = new YamuxSession(carrier, { role: "client", receiveWindowBytes });
    try {
      return await greet(session, { timeoutMs, knownVersion, signal: within });
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

async function greet(session: YamuxSession, { timeoutMs, knownVersion, signal }: ConnectOptions): Promise<AgentClient> {
  const connection = new TtrpcConnection(await dialPort(() => session.open(), agentPort, { signal, timeoutMs }));
  if (knownVersion !== undefined) return agentClient(session, connection, knownVersion);
  try {
    const health = ttrpcClient(HealthDefinition, connection, { timeoutMs: checkTimeoutMs });
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
