/**
 * The agent as the host sees it: typed calls with deadlines, and byte streams by port.
 * Knows nothing of the hypervisor that carries the channel.
 */
import type { ByteStream } from "../sys/os.ts";

/** Calls of `grpc.AgentService` and `grpc.Health`; generated message types, see src/protocol/gen. */
export interface AgentClient {
  // The engineer of agent-client replaces this marker by the typed method set.
  /** Opens the stream that the agent listens for on `port` (design §2: dial by port). */
  dial(port: number, signal?: AbortSignal): Promise<ByteStream>;
  /** Resolves when the connection is lost, with the reason. Never rejects. */
  readonly lost: Promise<string>;
  close(): void;
}
