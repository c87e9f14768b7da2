/**
 * The accepting side of "dial by port": finds out which port a new byte stream asks for, and passes it to that port's
 * listener. Knows nothing of what carries the streams or what they transport.
 */
import type { ByteStream } from "../../sys/os.ts";
import { abortError, onAbort, throwIfAborted } from "../../util/abort.ts";
import { ByteReader } from "../../util/byte-reader.ts";
import { withDeadline } from "../../util/deadline.ts";
import { KumiteError } from "../../util/errors.ts";
import { encodeUtf8 } from "../../util/text.ts";

/** Takes ownership of a connected stream. */
export type PortHandler = (stream: ByteStream) => void;

export interface PortAcceptorOptions {
  /** Time from the stream's beginning to the end of the handshake; default 10 s. */
  readonly handshakeTimeoutMs?: number;
}

/** Longest first line in bytes. `CONNECT 4294967295` with its newline has 19. */
const maxRequestLength = 64;

const maxPort = 0xffff_ffff;

export class PortAcceptor {
  /** By the digits of the port, so that the digits need not be converted to a number. */
  readonly #handlers = new Map<string, PortHandler>();
  readonly #handshakeTimeoutMs: number;

  constructor({ handshakeTimeoutMs = 10_000 }: PortAcceptorOptions = {}) {
    this.#handshakeTimeoutMs = handshakeTimeoutMs;
  }

  /**
   * Passes every stream for the port to the handler, until the returned function is called.
   * @throws KumiteError `usage/invalid` when the port is in use or invalid
   */
  listen(port: number, handler: PortHandler): () => void {
    if (!Number.isInteger(port) || port < 1 || port > maxPort) {
      throw new KumiteError("usage/invalid", `${port} is not a port`);
    }
    const digits = String(port);
    if (this.#handlers.has(digits)) throw new KumiteError("usage/invalid", `port ${port} is in use`);
    this.#handlers.set(digits, handler);
    return () => {
      if (this.#handlers.get(digits) === handler) this.#handlers.delete(digits);
    };
  }

  /**
   * The next stream for the port, which is released then. The port is listened on when this returns.
   * @throws KumiteError `usage/invalid` as `listen`; `aborted`, and then the port is released, too
   */
  next(port: number, signal?: AbortSignal): Promise<ByteStream> {
    return new Promise((resolve, reject) => {
      throwIfAborted(signal);
      const stop = this.listen(port, (stream) => {
        stop();
        forget();
        resolve(stream);
      });
      const forget = onAbort(signal, () => {
        stop();
        reject(abortError(signal as AbortSignal));
      });
    });
  }

  /** Serves a new stream, which is closed if there is no listener. Resolves after the handshake, never rejects. */
  async accept(stream: ByteStream): Promise<void> {
    const greet = async (signal: AbortSignal): Promise<void> => {
      const reader = new ByteReader(stream);
      const line = await reader.readLine(maxRequestLength, signal);
      const port = portIn(line);
      const handler = this.#handlers.get(port);
      if (handler === undefined) {
        await stream.write(encodeUtf8(isPort(port) ? `ERROR no listener on ${port}\n` : "ERROR bad request\n"));
        stream.close();
        return;
      }
      // The handler is called before the answer is sent, so that two dials cannot both get a one-shot listener.
      const accepted = reader.rest();
      const greeted = stream.write(encodeUtf8(`OK ${port}\n`));
      handler(accepted);
      await greeted;
    };
    try {
      await withDeadline(this.#handshakeTimeoutMs, "a port's handshake", greet);
    } catch {
      // The dialling side sees the stream close; nobody else needs the error.
      stream.close();
    }
  }

  /** Serves all streams of the source concurrently, until it ends. */
  async acceptAll(source: { accept(): Promise<ByteStream | undefined> }): Promise<void> {
    for (let stream = await source.accept(); stream !== undefined; stream = await source.accept()) {
      void this.accept(stream);
    }
  }
}

const verb = "CONNECT ";

/** The port that a line asks for; empty for a malformed line. */
function portIn(line = ""): string {
  if (!line.startsWith(verb)) return "";
  return line.slice(verb.length, line.endsWith("\r") ? -1 : undefined);
}

function isPort(text: string): boolean {
  return /^\d{1,10}$/.test(text) && Number(text) <= maxPort;
}
