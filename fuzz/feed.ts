/** Gives an input to something that reads a stream, as a peer that then goes away. */
import type { ByteStream } from "../src/sys/os.ts";
import { streamPair } from "../src/util/stream-pair.ts";

export interface Fed {
  /** The product's end. */
  readonly stream: ByteStream;
  /** Resolves when all was sent and what came back was read; the number of bytes that came back. */
  readonly done: Promise<number>;
}

/** The first byte says how the rest is cut: what is read must not depend on it. */
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
    // The product hung up.
  }
  return back;
}

async function readAll(stream: ByteStream): Promise<number> {
  let length = 0;
  try {
    for (let chunk = await stream.read(); chunk !== undefined; chunk = await stream.read()) length += chunk.length;
  } catch {
    // As above.
  }
  stream.close();
  return length;
}

/** Fails when it takes longer than anything should that has its whole input. */
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
