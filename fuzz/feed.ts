/** Gives an input to code that reads a stream, like a peer that then disconnects. */
import type { ByteStream } from "../src/sys/os.ts";
import { streamPair } from "../src/util/stream-pair.ts";

export interface Fed {
  /** The product's end. */
  readonly stream: ByteStream;
  /** Resolves when everything was sent and the answers were read, with the number of bytes that came back. */
  readonly done: Promise<number>;
}

/** The first byte determines how the rest is cut into pieces; what is read must not depend on that. */
export function feed(input: Uint8Array): Fed {
  const [ours, theirs] = streamPair();
  const pieceLength = pieceLengths[(input[0] ?? 0) % pieceLengths.length] ?? 1;
  return { stream: ours, done: converse(theirs, input.subarray(1), pieceLength) };
}

const pieceLengths = [1, 3, 10, 64, 4096, 65536];

async function converse(stream: ByteStream, bytes: Uint8Array, pieceLength: number): Promise<number> {
  const back = readAll(stream);
  try {
    for (let at = 0; at < bytes.length; at += pieceLength) await stream.write(bytes.slice(at, at + pieceLength));
    await stream.end();
  } catch {
    // The product closed the stream.
  }
  return back;
}

async function readAll(stream: ByteStream): Promise<number> {
  let length = 0;
  try {
    for (let chunk = await stream.read(); chunk !== undefined; chunk = await stream.read()) length += chunk.length;
  } catch {
    // The product closed the stream.
  }
  stream.close();
  return length;
}

/** Fails if it takes longer than anything may take once it has all of its input. */
export async function soon<T>(what: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: never came`)), 5_000);
  });
  try {
    return await Promise.race([promise, limit]);
  } finally {
    clearTimeout(timer);
  }
}
