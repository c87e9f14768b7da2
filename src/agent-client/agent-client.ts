/**
 * The agent as the host sees it: typed calls with deadlines, and byte streams by port. Knows nothing of the hypervisor
 * that carries the channel.
 */
import type { OciProcess, OciResources, OciSpec } from "../oci/spec.ts";
import type { AgentServiceDefinition } from "../protocol/gen/kata/agent-service.ts";
import type { TtrpcClient } from "../protocol/ttrpc/client.ts";
import type { ByteStream } from "../sys/os.ts";
import type { ProcessFields, ResourcesFields, SpecFields } from "./fields.ts";

/**
 * Calls of `grpc.AgentService`, with the request timeouts of the protocol unless a call sets its own. They fail with
 * the agent's own KumiteError, or with `agent/failed` naming the method and the agent's text; with `agent/timeout`; or
 * with `agent/unreachable` once the connection is lost.
 */
export type AgentCalls = TtrpcClient<typeof AgentServiceDefinition>;

/** Calls that only Kumite's agent has, beyond the protocol. Other agents refuse them (`agent/failed`). */
export interface AgentSnapshots {
  /**
   * Prepares the agent for saving the VM. A host that later continues from the saved state connects with the token.
   * Nothing reaches the agent until the returned function is called.
   */
  hold(token: Uint8Array, signal?: AbortSignal): Promise<() => void>;
  /** Sets the host name of all containers. */
  rename(hostname: string, signal?: AbortSignal): Promise<void>;
}

export interface AgentClient extends AgentCalls {
  readonly snapshots: AgentSnapshots;
  /** The agent's version, as it answered at connect. */
  readonly version: string;
  /** Opens the stream that the agent listens for on `port`. */
  dial(port: number, signal?: AbortSignal): Promise<ByteStream>;
  /** A container's configuration in the fields of CreateContainer. */
  specFields(spec: OciSpec): SpecFields;
  /** A process's configuration in the fields of ExecProcess. */
  processFields(process: OciProcess): ProcessFields;
  /** Limits in the fields of UpdateContainer. */
  resourcesFields(resources: OciResources): ResourcesFields;
  /** Resolves with the reason when the connection is lost or closed. Never rejects. */
  readonly lost: Promise<string>;
  close(): void;
}
