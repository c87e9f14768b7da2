/**
 * A `ByteStream` over a socket of Node.
 * Node pushes, we pull: a chunk that nobody waits for is kept and the socket paused, so at most one of our chunks and
 * one of Node's buffers (64 KiB) are held for a reader that does not read.
 */
import type { Socket } from "node:net";
import { abortError, onAbort, throwIfAborted } from "../../util/abort.ts";
import { type Deferred, deferred } from "../../util/deferred.ts";
import { SystemError } from "../../util/errors.ts";
import type { ByteStream } from "../os.ts";
import { toSystemError } from "./system-error.ts";

type Reader = Deferred<Uint8Array | undefined>;

export class SocketStream implements ByteStream {
  readonly #socket: Socket;
  readonly #chunks: Uint8Array[] = [];
  #reader: Reader | undefined;
  #ended = false;
  #failure: unknown;

  constructor(socket: Socket) {
    this.#socket = socket;
    // A peer that has ended may still read.
    socket.allowHalfOpen = true;
    socket.on("data", (chunk: Buffer) => this.#take(plain(chunk)));
    socket.on("end", () => this.#finish());
    socket.on("close", () => this.#finish());
    socket.on("error", (error) => this.#finish(error));
    socket.pause();
  }

  /** Of the socket, to be given on; `undefined` when it is closed. */
  get descriptor(): number | undefined {
    // Node has no public name for it.
    const fd = (this.#socket as Socket & { readonly _handle?: { readonly fd: number } | null })._handle?.fd;
    return fd === undefined || fd < 0 ? undefined : fd;
  }

  async read(signal?: AbortSignal): Promise<Uint8Array | undefined> {
    throwIfAborted(signal);
    if (this.#reader !== undefined) throw new SystemError("EBUSY", "read");
    const chunk = this.#chunks.shift();
    if (chunk !== undefined) return chunk;
    if (this.#ended) return this.#atEnd();
    return await this.#wait(signal);
  }

  write(bytes: Uint8Array): Promise<void> {
    // Node calls back for an empty write too, but only after what is queued: the same promise as for any other.
    return new Promise((resolve, reject) => {
      this.#socket.write(bytes, (error) => {
        if (error) reject(toSystemError(error, "write"));
        // Node reports a write that it cancelled as done.
        else if (this.#socket.destroyed) reject(new SystemError("EPIPE", "write"));
        else resolve();
      });
    });
  }

  /** Node sends what it holds back with one writev(2). */
  async writeAll(parts: readonly Uint8Array[]): Promise<void> {
    this.#socket.cork();
    const writes = parts.map((part) => this.write(part));
    this.#socket.uncork();
    await Promise.all(writes);
  }

  end(): Promise<void> {
    // Node would call back when the socket is destroyed, which is over.
    if (this.#socket.destroyed) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#socket.end((error?: Error | null) => {
        if (error && !alreadyEnded(error)) reject(toSystemError(error, "shutdown"));
        else resolve();
      });
    });
  }

  close(): void {
    this.#chunks.length = 0;
    this.#failure = undefined;
    this.#ended = true;
    this.#socket.destroy();
    this.#wake()?.resolve(undefined);
  }

  #wait(signal: AbortSignal | undefined): Promise<Uint8Array | undefined> {
    const waiting = deferred<Uint8Array | undefined>();
    this.#reader = waiting;
    // Node goes on reading; `take` keeps what comes.
    const forget = onAbort(signal, () => this.#wake()?.reject(abortError(signal as AbortSignal)));
    this.#socket.resume();
    return waiting.promise.finally(forget);
  }

  #take(chunk: Uint8Array): void {
    const reader = this.#wake();
    if (reader !== undefined) {
      reader.resolve(chunk);
      return;
    }
    this.#chunks.push(chunk);
    this.#socket.pause();
  }

  #finish(error?: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#failure = error;
    const reader = this.#wake();
    if (reader === undefined) return;
    try {
      reader.resolve(this.#atEnd());
    } catch (failure) {
      reader.reject(failure);
    }
  }

  /** End of stream; the error that ended it is told once. */
  #atEnd(): undefined {
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw toSystemError(failure, "read");
  }

  #wake(): Reader | undefined {
    const reader = this.#reader;
    this.#reader = undefined;
    return reader;
  }
}

function alreadyEnded(error: Error): boolean {
  return "code" in error && error.code === "ERR_STREAM_ALREADY_FINISHED";
}

/** Without `Buffer`'s own methods: its `slice` shares memory, where every other array's copies. */
function plain(chunk: Buffer): Uint8Array {
  return new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
}
