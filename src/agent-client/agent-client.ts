/**
 * The agent as the host sees it: typed calls with deadlines, and byte streams by port.
 * Knows nothing of the hypervisor that carries the channel.
 */
import type { OciProcess, OciResources, OciSpec } from "../oci/spec.ts";
import type { AgentServiceDefinition } from "../protocol/gen/kata/agent-service.ts";
import type { TtrpcClient } from "../protocol/ttrpc/client.ts";
import type { ByteStream } from "../sys/os.ts";
import type { ProcessFields, ResourcesFields, SpecFields } from "./fields.ts";

/**
 * Calls of `grpc.AgentService`, with the request timeouts of the protocol unless a call gives its own. They fail with
 * the agent's own KumiteError, or `agent/failed` with the method and the agent's text; with `agent/timeout`; and with
 * `agent/unreachable` once the connection is lost.
 */
export type AgentCalls = TtrpcClient<typeof AgentServiceDefinition>;

/** What our agent has beyond the protocol; others refuse it (`agent/failed`). */
export interface AgentSnapshots {
  /**
   * Makes ready for the machine to be saved: whoever goes on from there connects with the token. Nothing reaches the agent
   * any more until the result is called.
   */
  hold(token: Uint8Array, signal?: AbortSignal): Promise<() => void>;
  /** The host name of all containers. */
  rename(hostname: string, signal?: AbortSignal): Promise<void>;
}

export interface AgentClient extends AgentCalls {
  readonly snapshots: AgentSnapshots;
  /** Of the agent, as it answered at connect. */
  readonly version: string;
  /** Opens the stream that the agent listens for on `port` (design §2: dial by port). */
  dial(port: number, signal?: AbortSignal): Promise<ByteStream>;
  /** A container's configuration in the fields of CreateContainer. */
  specFields(spec: OciSpec): SpecFields;
  /** A process's configuration in the fields of ExecProcess. */
  processFields(process: OciProcess): ProcessFields;
  /** Limits in the fields of UpdateContainer. */
  resourcesFields(resources: OciResources): ResourcesFields;
  /** Resolves when the connection is lost or closed, with the reason. Never rejects. */
  readonly lost: Promise<string>;
  close(): void;
}
