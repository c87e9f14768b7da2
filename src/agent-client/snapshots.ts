/** Calls of Kumite's own agent for VMs that are saved while they run. */
import { SnapshotsDefinition } from "../protocol/gen/kumite/agent/v1/agent.ts";
import { ttrpcClient } from "../protocol/ttrpc/client.ts";
import type { TtrpcConnection } from "../protocol/ttrpc/connection.ts";
import type { YamuxSession } from "../protocol/yamux/session.ts";
import { sessionTokenLength } from "../protocol/yamux/session-token.ts";
import { withDeadline } from "../util/deadline.ts";
import type { AgentSnapshots } from "./agent-client.ts";
import { agentError } from "./calls.ts";

/** The token of `hold`, in bytes. */
export const snapshotTokenLength = sessionTokenLength;

/** Long enough for an emulated guest under load. */
const timeoutMs = 30_000;

export function agentSnapshots(session: YamuxSession, connection: TtrpcConnection): AgentSnapshots {
  const calls = ttrpcClient(SnapshotsDefinition, connection, { timeoutMs });
  return {
    hold: async (token, signal) => {
      try {
        await calls.expectReplacement({ token }, { signal });
        return await withDeadline(
          timeoutMs,
          "waiting for the guest to stop reading and writing",
          (within) => session.quiesce(within),
          signal,
        );
      } catch (error) {
        throw agentError("expectReplacement", error);
      }
    },
    rename: async (hostname, signal) => {
      try {
        await calls.rename({ hostname }, { signal });
      } catch (error) {
        throw agentError("rename", error);
      }
    },
  };
}
