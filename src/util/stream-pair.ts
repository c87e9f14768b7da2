/** Two connected byte streams in memory. They behave like a unix socket pair, without a kernel. */
import type { ByteStream } from "../sys/os.ts";
import { abortError, onAbort, throwIfAborted } from "./abort.ts";
import { concat } from "./bytes.ts";
import { type Deferred, deferred } from "./deferred.ts";
import { SystemError } from "./errors.ts";

export interface StreamPairOptions {
  /** Bytes that one direction holds before writes wait for the reader; default 65536. */
  readonly capacity?: number;
  /** Length of the next read, at least 1; default: everything. For tests of how records are cut. */
  readonly nextReadLength?: () => number;
}

export function streamPair(options: StreamPairOptions = {}): [ByteStream, ByteStream] {
  const there = new Pipe(options);
  const back = new Pipe(options);
  return [new MemoryStream(back, there), new MemoryStream(there, back)];
}

class MemoryStream implements ByteStream {
  readonly #incoming: Pipe;
  readonly #outgoing: Pipe;

  constructor(incoming: Pipe, outgoing: Pipe) {
    this.#incoming = incoming;
    this.#outgoing = outgoing;
  }

  read(signal?: AbortSignal): Promise<Uint8Array | undefined> {
    return this.#incoming.read(signal);
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#outgoing.write(bytes);
  }

  writeAll(parts: readonly Uint8Array[]): Promise<void> {
    return this.#outgoing.write(concat(parts));
  }

  async end(): Promise<void> {
    this.#outgoing.end();
  }

  close(): void {
    this.#outgoing.end();
    this.#incoming.abandon();
    this.#outgoing.failWrites();
  }
}

/** One direction. */
class Pipe {
  readonly #capacity: number;
  readonly #nextReadLength: () => number;
  #chunks: Uint8Array[] = [];
  #length = 0;
  #ended = false;
  #abandoned = false;
  #reader: Deferred<Uint8Array | undefined> | undefined;
  #writers: { readonly fits: () => boolean; readonly done: Deferred }[] = [];
  #written = 0;
  #taken = 0;

  constructor({ capacity = 65536, nextReadLength = () => Number.POSITIVE_INFINITY }: StreamPairOptions) {
    this.#capacity = capacity;
    this.#nextReadLength = nextReadLength;
  }

  async read(signal: AbortSignal | undefined): Promise<Uint8Array | undefined> {
    throwIfAborted(signal);
    if (this.#reader !== undefined) throw new Error("two reads of one stream at a time");
    if (this.#length > 0 || this.#ended || this.#abandoned) return this.#take();
    const reader = deferred<Uint8Array | undefined>();
    this.#reader = reader;
    const forget = onAbort(signal, () => {
      this.#reader = undefined;
      reader.reject(abortError(signal as AbortSignal));
    });
    return reader.promise.finally(forget);
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (this.#ended || this.#abandoned) throw new SystemError("EPIPE", "write");
    if (bytes.length === 0) return;
    this.#chunks.push(bytes.slice());
    this.#length += bytes.length;
    this.#written += bytes.length;
    const end = this.#written;
    this.#wakeReader();
    const done = deferred();
    const fits = (): boolean => end - this.#taken <= this.#capacity;
    if (fits()) return;
    this.#writers.push({ fits, done });
    return done.promise;
  }

  end(): void {
    this.#ended = true;
    this.#wakeReader();
  }

  /** The reading side has closed. */
  abandon(): void {
    this.#abandoned = true;
    this.#chunks = [];
    this.#length = 0;
    this.#wakeReader();
    this.failWrites();
  }

  failWrites(): void {
    for (const { done } of this.#writers.splice(0)) done.reject(new SystemError("EPIPE", "write"));
  }

  #wakeReader(): void {
    const reader = this.#reader;
    if (reader === undefined) return;
    this.#reader = undefined;
    reader.resolve(this.#take());
  }

  #take(): Uint8Array | undefined {
    if (this.#length === 0) return undefined;
    const all = concat(this.#chunks);
    const length = Math.max(1, Math.min(this.#nextReadLength(), all.length));
    this.#chunks = length < all.length ? [all.subarray(length)] : [];
    this.#length -= length;
    this.#taken += length;
    while (this.#writers[0]?.fits()) this.#writers.shift()?.done.resolve();
    return all.slice(0, length);
  }
}
