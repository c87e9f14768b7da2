/** Options of a yamux session. */
import type { SessionState } from "./session-state.ts";

export interface YamuxOptions {
  /** The side that made the connection is the client, which uses odd stream ids. */
  readonly role: "client" | "server";
  /** Whether the peer may open streams, which `accept` returns. Default: true for the server, false for the client. */
  readonly acceptStreams?: boolean;
  /** How much the peer may send on a stream before it is read. Minimum and default: 262144. */
  readonly receiveWindowBytes?: number;
  /** How much `receiveWindowBytes` may add to the initial windows of all streams together; default 16 MiB. */
  readonly extraWindowBudgetBytes?: number;
  /**
   * Default 512. With a window of at least 256 KiB for each stream, this bounds the memory that slow readers can take.
   */
  readonly maxStreams?: number;
  /** Interval of pings. The session ends when a ping is not answered within the interval. Default: no pings. */
  readonly keepAliveMs?: number;
  /**
   * The state of a session that another process suspended on this carrier; `sessionGreeting` has been sent since.
   * Default: a new session.
   */
  readonly resumes?: SessionState | undefined;
}
