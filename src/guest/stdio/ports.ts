/** What standard streams need of the channel to the host: byte streams by port, and to know when the channel breaks. */
import type { ByteStream } from "../../sys/os.ts";

export interface PortStream {
  readonly stream: ByteStream;
  /** After the stream broke: whether the whole session with the host did, so that a new one may ask for the port again. */
  sessionLost(): Promise<boolean>;
  /** Aborts when it does, also while nothing moves on the stream. */
  readonly session: AbortSignal;
}

/** One port, taken. It listens from the beginning, and again with each `next`; in between dials are refused. */
export interface PortSource {
  /** The next stream that the host opens. @throws KumiteError `aborted` */
  next(signal: AbortSignal): Promise<PortStream>;
  /** Gives the port back. Idempotent. */
  close(): void;
}

export interface Ports {
  /** @throws KumiteError `usage/invalid` when the port is taken or is none */
  listen(port: number): PortSource;
}
