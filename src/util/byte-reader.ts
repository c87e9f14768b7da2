/**
 * Cuts a byte stream into records. Knows no protocol: callers say how much they expect, after checking it.
 */
import type { ByteStream } from "../sys/os.ts";
import { ByteBuffer } from "./byte-buffer.ts";
import { writeParts } from "./bytes.ts";
import { KumiteError } from "./errors.ts";
import { decodeUtf8 } from "./text.ts";

/**
 * One read at a time. An aborted read loses no bytes: what had arrived is given to the next one. Holds one array of at
 * most twice what was asked for, however small the pieces are in which it arrives.
 */
export class ByteReader {
  readonly #stream: ByteStream;
  readonly #arrived = new ByteBuffer();

  constructor(stream: ByteStream) {
    this.#stream = stream;
  }

  /** Number of bytes that arrived and were not taken. */
  get buffered(): number {
    return this.#arrived.length;
  }

  /**
   * Exactly `length` bytes, or `undefined` when the stream ends before the first one. The result may be a view on a
   * larger array.
   * @throws KumiteError `protocol/violation` when the stream ends in between
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

  /** Like `readExactlyOrEnd`, where an end is never expected. */
  async readExactly(length: number, signal?: AbortSignal): Promise<Uint8Array> {
    const bytes = await this.readExactlyOrEnd(length, signal);
    if (bytes !== undefined) return bytes;
    throw new KumiteError("protocol/violation", `the stream ended where ${length} bytes were expected`);
  }

  /**
   * Text up to a newline, without it; `undefined` when the stream ends before the first byte.
   * @throws KumiteError `protocol/violation` when the first `limit` bytes hold no newline
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

  /** What is there, at least one byte; `undefined` at the end of the stream. */
  readSome(signal?: AbortSignal): Promise<Uint8Array | undefined> {
    return this.buffered > 0 ? Promise.resolve(this.#arrived.takeAll()) : this.#stream.read(signal);
  }

  /** The stream from here on, beginning with what was read ahead. The reader must not be used afterwards. */
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
