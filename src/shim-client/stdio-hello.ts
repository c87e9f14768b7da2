/**
 * How a raw connection to a shim says which stream of which process it is: one line, `CONNECT stdio <id> <exec-id or ->
 * <stream>`, answered `OK` or `ERROR <text>`; from then on the connection carries nothing but the stream's bytes.
 * A ttrpc frame begins with a zero byte, its length being under 16 MiB, so the first byte tells the two apart.
 * Both ends are here; neither knows where the bytes come from or go to.
 */
import type { ByteStream } from "../sys/os.ts";
import { ByteReader } from "../util/byte-reader.ts";
import { KumiteError } from "../util/errors.ts";
import { encodeUtf8, oneLine } from "../util/text.ts";

export type StdioStream = "stdin" | "stdout" | "stderr";

export interface StdioHello {
  readonly id: string;
  /** `undefined` for the container's own process. */
  readonly execId: string | undefined;
  readonly stream: StdioStream;
}

/** First byte of every hello line. */
export const helloFirstByte = 0x43;

/** Longest line of either side, in bytes: two ids of 128 characters and what is around them. */
export const maxHelloBytes = 512;

const ok = "OK";
const refusal = "ERROR ";
const ownProcess = "-";

/** The server's half: what a client's line, without its newline, asks for. Fails with `protocol/violation`. */
export function parseHello(line: string): StdioHello {
  const [connect, stdio, id, execId, stream, ...more] = line.split(" ");
  const known = stream === "stdin" || stream === "stdout" || stream === "stderr";
  if (connect !== "CONNECT" || stdio !== "stdio" || !id || !execId || !known || more.length > 0) {
    throw new KumiteError("protocol/violation", `"${oneLine(line, 100)}" is not a hello line of a stream`);
  }
  return { id, execId: execId === ownProcess ? undefined : execId, stream };
}

export async function acceptHello(stream: ByteStream): Promise<void> {
  await stream.write(encodeUtf8(`${ok}\n`));
}

/** The caller closes the stream. */
export async function refuseHello(stream: ByteStream, why: string): Promise<void> {
  await stream.write(encodeUtf8(`${refusal}${oneLine(why, 400)}\n`));
}

/**
 * The client's half: sends the line and waits for the answer, as long as it takes. The bytes of the stream are read
 * through the result, since the first of them may have come with the answer.
 * Fails with `shim/unreachable` when the shim refuses or goes away.
 */
export async function sayHello(stream: ByteStream, hello: StdioHello, signal?: AbortSignal): Promise<ByteReader> {
  await stream.write(encodeUtf8(`CONNECT stdio ${hello.id} ${hello.execId ?? ownProcess} ${hello.stream}\n`));
  const reader = new ByteReader(stream);
  const answer = await reader.readLine(maxHelloBytes, signal);
  if (answer === ok) return reader;
  const why = answer === undefined ? "it closed the connection" : oneLine(answer.replace(/^ERROR /, ""));
  throw new KumiteError("shim/unreachable", `the shim does not give ${hello.stream} of ${hello.id}: ${why}`, {
    phase: "relay.attach",
    data: { id: hello.id, execId: hello.execId, stream: hello.stream },
  });
}
