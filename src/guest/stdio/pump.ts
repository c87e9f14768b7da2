/** Moves bytes between a process and a stream of the host: bulk data, so nothing is copied or looked at on the way. */
import type { ByteStream } from "../../sys/os.ts";
import type { Output } from "./output.ts";

/** Most processes say little; who fills its buffer gets a larger one. In bytes. */
const firstBufferBytes = 2048;
const largestBufferBytes = 256 * 1024;

/** What ended a transfer: the source, with everything delivered, or the other side. */
export type PumpEnd = "complete" | "peer-gone";

/** Until the output ends, or the stream takes no more. The next read waits until the stream took the bytes. */
export async function pumpOutput(output: Output, stream: ByteStream, signal: AbortSignal): Promise<PumpEnd> {
  let buffer = new Uint8Array(firstBufferBytes);
  for (let count = await output.read(buffer, signal); count > 0; count = await output.read(buffer, signal)) {
    try {
      await stream.write(count === buffer.length ? buffer : buffer.subarray(0, count));
    } catch {
      return "peer-gone";
    }
    if (count === buffer.length && count < largestBufferBytes) {
      buffer = new Uint8Array(Math.min(count * 8, largestBufferBytes));
    }
  }
  return "complete";
}

/**
 * Until the stream ends, which closes the process's input, or breaks.
 * A process that has closed its input makes the stream close, so that the host stops sending.
 */
export async function pumpInput(stream: ByteStream, input: ByteStream, signal: AbortSignal): Promise<PumpEnd> {
  for (;;) {
    let bytes: Uint8Array | undefined;
    try {
      bytes = await stream.read(signal);
    } catch {
      return "peer-gone";
    }
    if (bytes === undefined) return "complete";
    try {
      await input.write(bytes);
    } catch {
      return "complete";
    }
  }
}
