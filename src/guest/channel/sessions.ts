/**
 * Sessions with the host, one after another on the same channel: yamux, with the ports on its streams. Listeners
 * outlive a session, so a host that reconnects finds everything where it left it.
 * This class does not know what is served on the ports.
 */
import { PortAcceptor } from "../../protocol/port/port-acceptor.ts";
import { YamuxSession } from "../../protocol/yamux/session.ts";
import type { ByteStream } from "../../sys/os.ts";
import { raceAbort } from "../../util/abort.ts";
import { type Deferred, deferred } from "../../util/deferred.ts";
import type { KumiteError } from "../../util/errors.ts";
import type { PortSource, PortStream, Ports } from "../stdio/ports.ts";

export class Sessions implements Ports {
  readonly #acceptor = new PortAcceptor();
  /** Number of sessions that have ended. A stream belongs to the session in which it was opened. */
  #current = 0;
  /** Aborts when the current session ends. */
  #life = new AbortController();
  #token: Uint8Array | undefined;
  /** Whether the last session was ended by a host that knows the token. */
  #replaced = false;

  /** Passes every stream for the port to the handler, in every session. */
  serve(port: number, handler: (stream: ByteStream) => void): void {
    this.#acceptor.listen(port, handler);
  }

  /**
   * A session that follows a replaced one begins with these bytes. The new host was not connected before; it uses the
   * token to tell data of the old session from data of its own.
   */
  expectReplacement(token: Uint8Array): void {
    this.#token = token;
  }

  /** Runs one session to its end; resolves with the reason. Takes over the carrier. */
  async run(carrier: ByteStream): Promise<KumiteError> {
    if (this.#replaced && this.#token !== undefined) await carrier.write(this.#token).catch(() => {});
    const session = new YamuxSession(carrier, { role: "server" });
    await this.#acceptor.acceptAll(session);
    const reason = await session.closed;
    this.#replaced = session.replaced;
    this.#current += 1;
    this.#life.abort(reason);
    this.#life = new AbortController();
    return reason;
  }

  listen(port: number): PortSource {
    return new AcceptorSource(this.#acceptor, port, (stream) => this.#belonging(stream));
  }

  #belonging(stream: ByteStream): PortStream {
    const session = this.#current;
    const sessionLost = async (): Promise<boolean> => {
      // A session breaks its streams first and ends in the same turn of the event loop, so this is known in the next
      // turn.
      await new Promise<void>((resolve) => setTimeout(resolve, 0));
      return this.#current !== session;
    };
    return { stream, sessionLost, session: this.#life.signal };
  }
}

class AcceptorSource implements PortSource {
  readonly #acceptor: PortAcceptor;
  readonly #port: number;
  readonly #belonging: (stream: ByteStream) => PortStream;
  #waiting: Deferred<PortStream> | undefined;
  #stop: () => void = () => {};

  constructor(acceptor: PortAcceptor, port: number, belonging: (stream: ByteStream) => PortStream) {
    this.#acceptor = acceptor;
    this.#port = port;
    this.#belonging = belonging;
    this.#listen();
  }

  async next(signal: AbortSignal): Promise<PortStream> {
    const waiting = this.#waiting ?? this.#listen();
    const dialled = await raceAbort(waiting.promise, signal);
    this.#waiting = undefined;
    return dialled;
  }

  close(): void {
    this.#stop();
    // Close a stream that was opened but that nobody waits for any more.
    this.#waiting?.promise.then(({ stream }) => stream.close());
    this.#waiting = undefined;
  }

  #listen(): Deferred<PortStream> {
    const waiting = deferred<PortStream>();
    this.#stop = this.#acceptor.listen(this.#port, (stream) => {
      this.#stop();
      waiting.resolve(this.#belonging(stream));
    });
    this.#waiting = waiting;
    return waiting;
  }
}
