/** Small helpers for byte arrays and streams of them. */
import type { ByteStream } from "../sys/os.ts";
import { KumiteError } from "./errors.ts";

/** Up to this length a copy costs less than a second system call. In bytes. */
const smallWrite = 4096;

/** One array of all parts; a single part is not copied. */
export function concat(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0] as Uint8Array;
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Reads a stream to its end. @throws KumiteError `protocol/violation` for more than `limit` bytes */
export async function readAll(stream: ByteStream, limit: number, signal?: AbortSignal): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for (let part = await stream.read(signal); part !== undefined; part = await stream.read(signal)) {
    length += part.length;
    if (length > limit) throw new KumiteError("protocol/violation", `more than ${limit} bytes were sent`);
    parts.push(part);
  }
  return concat(parts);
}

/** Writes the parts in order, in one system call if the stream can, and without copying large ones. */
export function writeParts(stream: ByteStream, parts: readonly Uint8Array[]): Promise<void> {
  if (stream.writeAll !== undefined) return stream.writeAll(parts);
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  if (length <= smallWrite) return stream.write(concat(parts));
  return Promise.all(parts.map((part) => stream.write(part))).then(() => {});
}

/** A stream with bytes put back that were read from it. The original stream must not be read any more. */
export function pushBack(stream: ByteStream, bytes: Uint8Array): ByteStream {
  let first: Uint8Array | undefined = bytes;
  return {
    read: async (signal) => {
      if (first === undefined) return stream.read(signal);
      const returned = first;
      first = undefined;
      return returned;
    },
    write: (data) => stream.write(data),
    writeAll: (parts) => writeParts(stream, parts),
    end: () => stream.end(),
    close: () => {
      first = undefined;
      stream.close();
    },
  };
}
