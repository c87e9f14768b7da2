/**
 * What the standard streams need from the channel to the host: byte streams by port, and to be told when the channel
 * breaks.
 */
import type { ByteStream } from "../../sys/os.ts";

export interface PortStream {
  readonly stream: ByteStream;
  /**
   * Call after the stream broke: whether the whole session with the host was lost, so that a new session may open the
   * port again.
   */
  sessionLost(): Promise<boolean>;
  /** Aborts when the session is lost, even while nothing moves on the stream. */
  readonly session: AbortSignal;
}

/**
 * A reserved port. It listens from the beginning, and again with each call of `next`; in between, the host's attempts
 * are refused.
 */
export interface PortSource {
  /**
   * The next stream that the host opens.
   * @throws KumiteError `aborted`
   */
  next(signal: AbortSignal): Promise<PortStream>;
  /** Releases the port. Idempotent. */
  close(): void;
}

export interface Ports {
  /** @throws KumiteError `usage/invalid` when the port is in use or invalid */
  listen(port: number): PortSource;
}
