/** Cuts a byte stream into records. Knows no protocol: callers pass the expected length, which they have checked. */
import type { ByteStream } from "../sys/os.ts";
import { ByteBuffer } from "./byte-buffer.ts";
import { writeParts } from "./bytes.ts";
import { KumiteError } from "./errors.ts";
import { decodeUtf8 } from "./text.ts";

/**
 * One read at a time. An aborted read loses no bytes: the next read gets them. Holds one array of at most twice the
 * requested length, however small the chunks are that arrive.
 */
export class ByteReader {
  readonly #stream: ByteStream;
  readonly #arrived = new ByteBuffer();

  constructor(stream: ByteStream) {
    this.#stream = stream;
  }

  /** Number of bytes that have arrived and not been taken. */
  get buffered(): number {
    return this.#arrived.length;
  }

  /**
   * Exactly `length` bytes, or `undefined` if the stream ends before the first one. The result may be a view of a
   * larger array.
   * @throws KumiteError `protocol/violation` if the stream ends in between
   */
  async readExactlyOrEnd(length: number, signal?: AbortSignal): Promise<Uint8Array | undefined> {
    while (this.buffered < length) {
      if (await this.#fill(length, signal)) continue;
      if (this.buffered === 0) return undefined;
      throw new KumiteError(
        "protocol/violation",
        `the stream ended after ${this.buffered} of ${length} expected bytes`,
      );
    }
    return this.#arrived.take(length);
  }

  /** Like `readExactlyOrEnd`, but any end of the stream is an error. */
  async readExactly(length: number, signal?: AbortSignal): Promise<Uint8Array> {
    const bytes = await this.readExactlyOrEnd(length, signal);
    if (bytes !== undefined) return bytes;
    throw new KumiteError("protocol/violation", `the stream ended where ${length} bytes were expected`);
  }

  /**
   * Text up to a newline, without it; `undefined` if the stream ends before the first byte.
   * @throws KumiteError `protocol/violation` if the first `limit` bytes contain no newline
   */
  async readLine(limit: number, signal?: AbortSignal): Promise<string | undefined> {
    for (;;) {
      const length = this.#arrived.indexOf(0x0a, limit);
      if (length >= 0) return decodeUtf8((this.#arrived.take(length + 1) as Uint8Array).subarray(0, length));
      if (this.buffered >= limit) {
        throw new KumiteError("protocol/violation", `no end of line within ${limit} bytes`);
      }
      if (await this.#fill(limit, signal)) continue;
      if (this.buffered === 0) return undefined;
      throw new KumiteError("protocol/violation", "the stream ended in the middle of a line");
    }
  }

  /** Whatever has arrived, at least one byte; `undefined` at the end of the stream. */
  readSome(signal?: AbortSignal): Promise<Uint8Array | undefined> {
    return this.buffered > 0 ? Promise.resolve(this.#arrived.takeAll()) : this.#stream.read(signal);
  }

  /** The stream from here on, beginning with the bytes read ahead. The reader must not be used afterwards. */
  rest(): ByteStream {
    const stream = this.#stream;
    if (this.buffered === 0) return stream;
    return {
      read: (signal) => this.readSome(signal),
      write: (bytes) => stream.write(bytes),
      writeAll: (parts) => writeParts(stream, parts),
      ...(stream.piped !== undefined && { piped: stream.piped }),
      end: () => stream.end(),
      close: () => {
        this.#arrived.takeAll();
        stream.close();
      },
    };
  }

  /** False at the end of the stream. */
  async #fill(wanted: number, signal: AbortSignal | undefined): Promise<boolean> {
    const chunk = await this.#stream.read(signal);
    if (chunk === undefined) return false;
    this.#arrived.push(chunk, wanted);
    return true;
  }
}
