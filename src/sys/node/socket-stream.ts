/**
 * A `ByteStream` over a Node socket. Node pushes data, but readers pull. When a chunk arrives that nobody waits for, it
 * is kept and the socket is paused. So at most one chunk here and one of Node's buffers (64 KiB) are held for a reader
 * that does not read.
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
    // A peer that has ended its writing side may still read.
    socket.allowHalfOpen = true;
    socket.on("data", (chunk: Buffer) => this.#take(plain(chunk)));
    socket.on("end", () => this.#finish());
    socket.on("close", () => this.#finish());
    socket.on("error", (error) => this.#finish(error));
    socket.pause();
  }

  /** The socket's descriptor, to pass it on; `undefined` when the socket is closed. */
  get descriptor(): number | undefined {
    // Node has no public API for it.
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
    // Node calls back for an empty write as well, but only after queued writes, so the promise works for it, too.
    return new Promise((resolve, reject) => {
      this.#socket.write(bytes, (error) => {
        if (error) reject(toSystemError(error, "write"));
        // Node reports a cancelled write as done.
        else if (this.#socket.destroyed) reject(new SystemError("EPIPE", "write"));
        else resolve();
      });
    });
  }

  /** Node sends corked writes with one writev(2). */
  async writeAll(parts: readonly Uint8Array[]): Promise<void> {
    this.#socket.cork();
    const writes = parts.map((part) => this.write(part));
    this.#socket.uncork();
    await Promise.all(writes);
  }

  end(): Promise<void> {
    // Node would never call back for a socket that is destroyed already.
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
    // Node continues reading; `#take` keeps what arrives.
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

  /** End of stream. The error that ended it is reported once. */
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

/** A plain Uint8Array: `Buffer.slice` shares memory, while `slice` of every other array copies. */
function plain(chunk: Buffer): Uint8Array {
  return new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
}
