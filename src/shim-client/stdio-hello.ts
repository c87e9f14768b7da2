/**
 * How a raw connection to a shim says which stream of which process it is: one line, `CONNECT stdio <id> <exec-id or ->
 * <stream>`, answered by `OK` or `ERROR <text>`. After that the connection carries only the stream's bytes.
 * A ttrpc frame begins with a zero byte, because its length is under 16 MiB. So the first byte tells the two apart.
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

/** Streams for debugging: the guest's console, or a port that its agent listens on. */
export type DebugHello =
  | { readonly target: "console"; readonly id: string }
  | { readonly target: "port"; readonly id: string; readonly port: number };

/** First byte of every hello line. */
export const helloFirstByte = 0x43;

/** Longest line of either side, in bytes: two ids of 128 characters and the rest of the line. */
export const maxHelloBytes = 512;

const ok = "OK";
const refusal = "ERROR ";
const ownProcess = "-";

/** The server's half: parses a client's line, without its newline. @throws KumiteError `protocol/violation` */
export function parseHello(line: string): StdioHello {
  const [connect, stdio, id, execId, stream, ...more] = line.split(" ");
  const known = stream === "stdin" || stream === "stdout" || stream === "stderr";
  if (connect !== "CONNECT" || stdio !== "stdio" || !id || !execId || !known || more.length > 0) {
    throw new KumiteError("protocol/violation", `"${oneLine(line, 100)}" is not a hello line of a stream`);
  }
  return { id, execId: execId === ownProcess ? undefined : execId, stream };
}

/**
 * The server's half: `undefined` for a line that asks for the stream of a process.
 * @throws KumiteError `protocol/violation`
 */
export function parseDebugHello(line: string): DebugHello | undefined {
  const [connect, debug, target, id, port, ...more] = line.split(" ");
  if (connect !== "CONNECT" || debug !== "debug") return undefined;
  if (target === "console" && id && port === undefined) return { target, id };
  if (target === "port" && id && /^\d{1,10}$/.test(port ?? "") && more.length === 0) {
    return { target, id, port: Number(port) };
  }
  throw new KumiteError("protocol/violation", `"${oneLine(line, 100)}" is not a hello line of a debug stream`);
}

/** The client's half, like `sayHello`. @throws KumiteError `shim/unreachable` */
export async function sayDebugHello(stream: ByteStream, hello: DebugHello, signal?: AbortSignal): Promise<ByteStream> {
  const port = hello.target === "port" ? ` ${hello.port}` : "";
  await stream.write(encodeUtf8(`CONNECT debug ${hello.target} ${hello.id}${port}\n`));
  const reader = new ByteReader(stream);
  const answer = await reader.readLine(maxHelloBytes, signal);
  if (answer === ok) return reader.rest();
  const why = answer === undefined ? "it closed the connection" : oneLine(answer.replace(/^ERROR /, ""));
  throw new KumiteError("shim/unreachable", `the shim of ${hello.id} refused the debug ${hello.target}: ${why}`, {
    phase: "debug",
    data: { ...hello },
  });
}

export async function acceptHello(stream: ByteStream): Promise<void> {
  await stream.write(encodeUtf8(`${ok}\n`));
}

/** The caller closes the stream. */
export async function refuseHello(stream: ByteStream, why: string): Promise<void> {
  await stream.write(encodeUtf8(`${refusal}${oneLine(why, 400)}\n`));
}

/**
 * The client's half: sends the line and waits for the answer without a timeout. The stream must be read through the
 * result, since the first bytes may have arrived together with the answer.
 * @throws KumiteError `shim/unreachable` if the shim refuses or goes away
 */
export async function sayHello(stream: ByteStream, hello: StdioHello, signal?: AbortSignal): Promise<ByteReader> {
  await stream.write(encodeUtf8(`CONNECT stdio ${hello.id} ${hello.execId ?? ownProcess} ${hello.stream}\n`));
  const reader = new ByteReader(stream);
  const answer = await reader.readLine(maxHelloBytes, signal);
  if (answer === ok) return reader;
  const why = answer === undefined ? "it closed the connection" : oneLine(answer.replace(/^ERROR /, ""));
  throw new KumiteError("shim/unreachable", `the shim refused ${hello.stream} of ${hello.id}: ${why}`, {
    phase: "relay.attach",
    data: { id: hello.id, execId: hello.execId, stream: hello.stream },
  });
}
