/** Connects the caller's standard streams with a byte stream, like a terminal program. Knows nothing of the content. */
import type { ByteStream } from "../sys/os.ts";
import { raceAbort } from "../util/abort.ts";
import { SystemError } from "../util/errors.ts";
import { decodeUtf8, encodeUtf8, stripControls } from "../util/text.ts";
import type { VerbContext } from "./context.ts";

export interface JoinOptions {
  /** Whether the end of the input ends the stream. If not, the stream stays open for output. */
  readonly passEnd: boolean;
  /** Whether Ctrl-] ends the connection, if the input is a terminal. */
  readonly leaveKey: boolean;
  /** Converts received bytes into what is shown. */
  readonly show: (bytes: Uint8Array) => Uint8Array;
}

/** Ctrl-]. */
const leave = 0x1d;

/** Returns when the stream ends, the key is pressed, or the output cannot be written; then closes the stream. */
export async function joinTerminal(
  { os, interruption }: VerbContext,
  stream: ByteStream,
  { passEnd, leaveKey, show }: JoinOptions,
): Promise<void> {
  const [input, output] = [os.self.stream(0), os.self.stream(1)];
  const typed = leaveKey && os.terminals.isTerminal(0);
  const left = copyInput(input, stream, { typed, passEnd });
  const shown = copyOutput(stream, output, show);
  try {
    await raceAbort(
      Promise.race([shown, left.then((how) => (how === "left" ? undefined : shown))]),
      interruption.signal,
    );
  } finally {
    stream.close();
  }
}

async function copyInput(
  input: ByteStream,
  stream: ByteStream,
  { typed, passEnd }: { readonly typed: boolean; readonly passEnd: boolean },
): Promise<"left" | "ended"> {
  try {
    for (let bytes = await input.read(); bytes !== undefined; bytes = await input.read()) {
      if (typed && bytes.includes(leave)) return "left";
      await stream.write(bytes);
    }
    if (passEnd) await stream.end();
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
  }
  return "ended";
}

async function copyOutput(stream: ByteStream, output: ByteStream, show: JoinOptions["show"]): Promise<void> {
  try {
    for (let bytes = await stream.read(); bytes !== undefined; bytes = await stream.read())
      await output.write(show(bytes));
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
  }
}

export function unchanged(bytes: Uint8Array): Uint8Array {
  return bytes;
}

/** Removes control sequences that would change the terminal; keeps line ends. */
export function cleanText(): (bytes: Uint8Array) => Uint8Array {
  return (bytes) => {
    const lines = decodeUtf8(bytes).split("\n");
    return encodeUtf8(lines.map((line) => stripControls(line)).join("\r\n"));
  };
}
