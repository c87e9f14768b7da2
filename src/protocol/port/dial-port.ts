/**
 * The dialling side of "dial by port": a new byte stream is connected to a port of the peer by one line each way,
 * `CONNECT <port>` and `OK <port>`. VMMs use this handshake for vsock over unix sockets.
 * Knows nothing of what carries the stream.
 */
import type { ByteStream } from "../../sys/os.ts";
import { ByteReader } from "../../util/byte-reader.ts";
import { withDeadline } from "../../util/deadline.ts";
import { KumiteError } from "../../util/errors.ts";
import { encodeUtf8, oneLine } from "../../util/text.ts";

export interface DialOptions {
  readonly signal?: AbortSignal | undefined;
  /**
   * Limit for opening the stream and the handshake; default 10 s. There must be one, because the peer may never answer.
   */
  readonly timeoutMs?: number;
}

/** Longest answer in bytes; it may contain an error text. */
const maxAnswerLength = 256;

/**
 * @param openStream opens a new stream, for example of a yamux session or to a VMM's unix socket; the stream is closed
 * if the dial fails
 * @throws KumiteError `protocol/closed` when the peer refuses or hangs up, in which case retrying makes sense while the
 * peer starts; `protocol/violation` for a malformed answer; `timeout`; `aborted`; and the errors of `openStream`
 */
export async function dialPort(
  openStream: (signal: AbortSignal) => ByteStream | Promise<ByteStream>,
  port: number,
  { signal, timeoutMs = 10_000 }: DialOptions = {},
): Promise<ByteStream> {
  return withDeadline(timeoutMs, `connecting to port ${port}`, (limit) => connect(openStream, port, limit), signal);
}

async function connect(
  openStream: (signal: AbortSignal) => ByteStream | Promise<ByteStream>,
  port: number,
  signal: AbortSignal,
): Promise<ByteStream> {
  const stream = await openStream(signal);
  // The deadline may have passed while the stream was being opened. From here on, an abort closes the stream.
  const closeOnAbort = (): void => stream.close();
  signal.addEventListener("abort", closeOnAbort, { once: true });
  try {
    if (signal.aborted) throw signal.reason;
    await stream.write(encodeUtf8(`CONNECT ${port}\n`));
    const reader = new ByteReader(stream);
    const answer = await reader.readLine(maxAnswerLength, signal);
    check(port, answer);
    return reader.rest();
  } catch (error) {
    stream.close();
    throw error;
  } finally {
    signal.removeEventListener("abort", closeOnAbort);
  }
}

function check(port: number, answer: string | undefined): void {
  if (answer === undefined) {
    throw new KumiteError("protocol/closed", `port ${port}: the connection was closed without an answer`);
  }
  if (/^OK( \d+)?\r?$/.test(answer)) return;
  const text = oneLine(answer, maxAnswerLength);
  if (answer.startsWith("ERROR ")) {
    throw new KumiteError("protocol/closed", `port ${port} was refused: ${text.slice("ERROR ".length)}`);
  }
  throw new KumiteError("protocol/violation", `port ${port}: the answer to CONNECT was ${JSON.stringify(text)}`);
}
