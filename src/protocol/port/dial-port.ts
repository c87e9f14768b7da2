/**
 * The dialling end of design "dial by port": a fresh byte stream becomes a connection to one port of the other side by
 * one line each way, `CONNECT <port>` and `OK <port>`, the handshake that VMMs use for vsock over unix sockets.
 * Knows nothing of what carries the stream.
 */
import type { ByteStream } from "../../sys/os.ts";
import { ByteReader } from "../../util/byte-reader.ts";
import { withDeadline } from "../../util/deadline.ts";
import { KumiteError } from "../../util/errors.ts";
import { encodeUtf8, oneLine } from "../../util/text.ts";

export interface DialOptions {
  readonly signal?: AbortSignal | undefined;
  /** For opening the stream and the handshake; default 10 s, because no answer may ever come. */
  readonly timeoutMs?: number;
}

/** Longest answer that is read, in bytes; it may carry an error text. */
const maxAnswerLength = 256;

/**
 * @param openStream makes a fresh stream, e.g. of a yamux session or a VMM's unix socket; it is closed if the dial fails
 * @throws KumiteError `protocol/closed` when the other side refuses or hangs up, which may be worth a retry while it
 *   starts; `protocol/violation` for an answer of another form; `timeout`; `aborted`; and what `openStream` throws
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
  // The deadline may have passed while the stream was made; from here on its passing closes the stream.
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
