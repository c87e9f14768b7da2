/** Moves bytes between a process and a stream to the host. For bulk data, nothing is copied or looked at on the way. */
import { closeQuietly, pipe2 } from "../../sys/linux/file.ts";
import { O_CLOEXEC, O_NONBLOCK } from "../../sys/linux/open-flags.ts";
import { setPipeSize } from "../../sys/linux/pipe.ts";
import type { ByteStream, PipedWriting } from "../../sys/os.ts";
import { onAbort } from "../../util/abort.ts";
import { isSystemError } from "../../util/errors.ts";
import type { Output } from "./output.ts";

/** In bytes. Most processes write little; one that fills the buffer gets a larger one. */
const firstBufferBytes = 2048;
const largestBufferBytes = 64 * 1024;

/** The most data in transit from one process, in bytes. Other streams wait for at most that much. */
const wayBytes = 512 * 1024;

/** What ended a transfer: the source, with everything delivered, or the peer. */
export type PumpEnd = "complete" | "peer-gone";

/** Runs until the output ends, or the stream accepts no more. Reads again only when the stream has taken the bytes. */
export async function pumpOutput(output: Output, stream: ByteStream, signal: AbortSignal): Promise<PumpEnd> {
  let buffer = new Uint8Array(firstBufferBytes);
  for (let count = await output.read(buffer, signal); count > 0; count = await output.read(buffer, signal)) {
    try {
      await stream.write(count === buffer.length ? buffer : buffer.subarray(0, count));
    } catch {
      return "peer-gone";
    }
    if (count < buffer.length) continue;
    const way = openWay(output, stream);
    if (way !== undefined) return moveOutput(output, way, signal);
    if (count < largestBufferBytes) buffer = new Uint8Array(Math.min(count * 8, largestBufferBytes));
  }
  return "complete";
}

/** The path of bulk output: from the process's pipe to one of the agent's, and from there into the stream, by page. */
interface Way {
  /**
   * A pipe of the agent's: the stream announces the number of bytes first, and only here that number cannot change. The
   * process could read from its own pipe.
   */
  readonly pipe: { readonly read: number; readonly write: number };
  readonly stream: PipedWriting;
}

/** `undefined` when the stream does not support it, or descriptors or memory are short. */
function openWay(output: Output, stream: ByteStream): Way | undefined {
  if (!output.movable || stream.piped === undefined) return undefined;
  try {
    const pipe = pipe2(O_CLOEXEC | O_NONBLOCK);
    try {
      setPipeSize(pipe.write, wayBytes);
    } catch (error) {
      closePipe(pipe);
      throw error;
    }
    return { pipe, stream: stream.piped };
  } catch (error) {
    if (isSystemError(error)) return undefined;
    throw error;
  }
}

async function moveOutput(output: Output, { pipe, stream }: Way, signal: AbortSignal): Promise<PumpEnd> {
  try {
    for (let length = 0; ; ) {
      let room: number;
      try {
        if (length > 0) await stream.write({ fd: pipe.read, length });
        room = await stream.room();
      } catch {
        return "peer-gone";
      }
      length = await output.move(pipe.write, Math.min(room, wayBytes), signal);
      if (length === 0) return "complete";
    }
  } finally {
    closePipe(pipe);
  }
}

function closePipe(pipe: Way["pipe"]): void {
  closeQuietly(pipe.read);
  closeQuietly(pipe.write);
}

/**
 * Runs until the stream ends, which closes the process's input, or breaks. An abort closes the stream. If the process
 * has closed its input, the stream is closed, too, so that the host stops sending.
 */
export async function pumpInput(stream: ByteStream, input: ByteStream, signal: AbortSignal): Promise<PumpEnd> {
  const forget = onAbort(signal, () => stream.close());
  try {
    for (;;) {
      let bytes: Uint8Array | undefined;
      try {
        bytes = await stream.read();
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
  } finally {
    forget();
  }
}
