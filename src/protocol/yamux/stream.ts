/**
 * A stream of a yamux session: windows, half-close, and the contract of `ByteStream`. Uses the session only to send
 * frames.
 */
import type { ByteStream, PipedBytes, PipedWriting } from "../../sys/os.ts";
import { abortError, onAbort } from "../../util/abort.ts";
import { type Deferred, deferred } from "../../util/deferred.ts";
import { KumiteError, SystemError } from "../../util/errors.ts";
import { frameFlag, initialWindowBytes } from "./frame.ts";
import { ReceiveQueue } from "./receive-queue.ts";
import type { StreamState } from "./session-state.ts";

/** What a stream needs from its session. Promises resolve when the carrier has taken the frame; they never reject. */
export interface StreamSession {
  sendData(streamId: number, flags: number, parts: readonly Uint8Array[], length: number): Promise<void>;
  /** `undefined` if the carrier does not support it. The promise settles when the pipe is no longer in use. */
  readonly sendPiped?: (streamId: number, bytes: PipedBytes) => Promise<void>;
  sendWindowUpdate(streamId: number, flags: number, delta: number): Promise<void>;
  /** The stream needs no more frames of the peer. */
  forget(streamId: number): void;
}

/** Payload of the largest frame that is sent, in bytes, so that a stream never delays the others for long. */
const maxPayload = 64 * 1024;

export class YamuxStream implements ByteStream {
  readonly id: number;
  /** How much the peer may send beyond the initial window. */
  readonly extraWindow: number;
  readonly piped?: PipedWriting;
  readonly #session: StreamSession;

  readonly #received = new ReceiveQueue();
  #reader: Deferred<Uint8Array | undefined> | undefined;
  /** How much the peer may still send, and how much was read since the last window update. */
  #receiveWindow = initialWindowBytes;
  #consumed = 0;
  readonly #updateAt: number;
  #updating = false;
  #remoteEnded = false;

  #sendWindow = initialWindowBytes;
  #windowOpened: Deferred | undefined;
  #lastWrite: Promise<void> = Promise.resolve();
  /** Number of writes that are queued or in progress. */
  #unsent = 0;
  readonly #onSent = (): void => {
    this.#unsent -= 1;
  };
  /** Those of them that are rejected at once when the stream fails. */
  readonly #writes = new Set<Deferred>();
  /** No more writes are accepted; the peer gets the end after all queued writes. */
  #localEnded = false;
  #endSent = false;

  /**
   * Set once: creates the error of later reads, after the received bytes, and of later writes. A function, since most
   * streams are closed when nobody needs the error, and its stack is expensive.
   */
  #failure: (() => SystemError) | undefined;
  #closed = false;

  /**
   * The session announces the extra window.
   * @param state that of a stream of another process; default: a new stream
   */
  constructor(session: StreamSession, id: number, extraWindow: number, state?: StreamState) {
    this.id = id;
    this.extraWindow = extraWindow;
    this.#session = session;
    this.#receiveWindow += extraWindow;
    this.#updateAt = this.#receiveWindow / 2;
    if (state !== undefined) {
      this.#receiveWindow = state.receiveWindow;
      this.#consumed = state.consumed;
      this.#sendWindow = state.sendWindow;
    }
    const { sendPiped } = session;
    if (sendPiped === undefined) return;
    this.piped = {
      room: () => this.#room(),
      write: (bytes, head) => this.#inLine(() => this.#sendPiped(sendPiped, bytes, head)),
    };
  }

  /** @throws KumiteError `internal` if the stream is not open in both directions and idle */
  get state(): StreamState {
    const isOpen = this.#failure === undefined && !this.#localEnded && !this.#remoteEnded;
    if (!isOpen || this.#unsent > 0 || this.#received.length > 0) {
      throw new KumiteError("internal", `stream ${this.id} is not idle`);
    }
    const { id, extraWindow } = this;
    const consumed = this.#consumed;
    return { id, sendWindow: this.#sendWindow, receiveWindow: this.#receiveWindow, consumed, extraWindow };
  }

  read(signal?: AbortSignal): Promise<Uint8Array | undefined> {
    if (signal?.aborted) return Promise.reject(abortError(signal));
    if (this.#reader !== undefined) {
      return Promise.reject(new KumiteError("internal", "two reads of one stream at a time"));
    }
    const chunk = this.#received.shift();
    if (chunk !== undefined) {
      this.#consume(chunk.length);
      return Promise.resolve(chunk);
    }
    if (this.#closed || this.#remoteEnded) return Promise.resolve(undefined);
    if (this.#failure !== undefined) return Promise.reject(this.#failure());
    return this.#waitForData(signal);
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.writeAll([bytes]);
  }

  writeAll(parts: readonly Uint8Array[]): Promise<void> {
    const write = deferred();
    this.#writes.add(write);
    this.#inLine(() => this.#send(parts)).then(
      () => {
        this.#writes.delete(write);
        write.resolve();
      },
      (error: unknown) => {
        this.#writes.delete(write);
        write.reject(error);
      },
    );
    return write.promise;
  }

  /** Queues a write. The promise settles when the carrier is done with it, even if the stream fails before. */
  #inLine(send: () => Promise<void>): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure());
    if (this.#localEnded) return Promise.reject(brokenPipe());
    const isFirst = this.#unsent === 0;
    this.#unsent += 1;
    const sent = isFirst ? send() : this.#lastWrite.then(send);
    this.#lastWrite = sent.then(this.#onSent, this.#onSent);
    return sent;
  }

  async end(): Promise<void> {
    if (this.#localEnded || this.#failure !== undefined) return;
    this.#localEnded = true;
    await this.#lastWrite;
    await this.#sendEnd();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    const over = this.#failure !== undefined;
    const unsent = this.#unsent > 0;
    this.#localEnded = true;
    this.#received.clear();
    this.#break(brokenPipe);
    if (over) return;
    // What was written is delivered in order and ends normally, unless some of it could not be sent. The reset makes
    // the peer stop writing: it may be waiting for window that nobody will give.
    const end = unsent || this.#endSent ? 0 : frameFlag.fin;
    const reset = unsent || !this.#remoteEnded ? frameFlag.rst : 0;
    if ((end | reset) !== 0) void this.#session.sendWindowUpdate(this.id, end | reset, 0);
    this.#session.forget(this.id);
  }

  /** A data frame of this length begins. */
  expect(length: number): void {
    if (this.#remoteEnded) throw new KumiteError("protocol/violation", `stream ${this.id} got data after its end`);
    if (length > this.#receiveWindow) {
      throw new KumiteError(
        "protocol/violation",
        `stream ${this.id} got ${length} bytes where its window allows ${this.#receiveWindow}`,
      );
    }
    this.#receiveWindow -= length;
  }

  /** Delivers bytes of the current data frame. */
  deliver(piece: Uint8Array): void {
    if (this.#closed) return;
    const reader = this.#reader;
    if (reader === undefined) {
      this.#received.push(piece);
      return;
    }
    this.#reader = undefined;
    this.#consume(piece.length);
    reader.resolve(piece);
  }

  /** The peer will send no more. */
  endRemote(): void {
    if (this.#remoteEnded) return;
    this.#remoteEnded = true;
    this.#reader?.resolve(undefined);
    this.#reader = undefined;
    this.#forgetIfOver();
  }

  widen(delta: number): void {
    this.#sendWindow += delta;
    if (this.#sendWindow > 0xffff_ffff) {
      throw new KumiteError("protocol/violation", `the window of stream ${this.id} grew beyond 32 bits`);
    }
    this.#windowOpened?.resolve();
    this.#windowOpened = undefined;
  }

  /** The peer has reset the stream, or the session is over. Bytes that have arrived can still be read. */
  fail(cause: unknown): void {
    this.#break(() => {
      const failure = new SystemError("ECONNRESET", "read or write", `stream ${this.id}`);
      failure.cause = cause;
      return failure;
    });
    this.#session.forget(this.id);
  }

  #break(failure: () => SystemError): void {
    this.#failure ??= failure;
    if (this.#closed || this.#remoteEnded) this.#reader?.resolve(undefined);
    else this.#reader?.reject(failure());
    this.#reader = undefined;
    for (const write of this.#writes) write.reject(failure());
    this.#windowOpened?.reject(failure());
    this.#windowOpened = undefined;
  }

  #waitForData(signal: AbortSignal | undefined): Promise<Uint8Array | undefined> {
    const reader = deferred<Uint8Array | undefined>();
    this.#reader = reader;
    if (signal === undefined) return reader.promise;
    const forget = onAbort(signal, () => {
      // If this reader was given bytes, it has been settled already and the rejection has no effect.
      if (this.#reader === reader) this.#reader = undefined;
      reader.reject(abortError(signal));
    });
    return reader.promise.finally(forget);
  }

  /** Returns window to the peer when half of it has been used, which needs fewer frames than after every read. */
  #consume(length: number): void {
    this.#consumed += length;
    this.#updateWindow();
  }

  #updateWindow(): void {
    if (this.#consumed < this.#updateAt || this.#updating || this.#remoteEnded || this.#failure !== undefined) return;
    const delta = this.#consumed;
    this.#consumed = 0;
    this.#receiveWindow += delta;
    this.#updating = true;
    void this.#session.sendWindowUpdate(this.id, 0, delta).then(() => {
      this.#updating = false;
      this.#updateWindow();
    });
  }

  async #send(parts: readonly Uint8Array[]): Promise<void> {
    const cursor = new PartsCursor(parts);
    while (cursor.remaining > 0) {
      if (this.#failure !== undefined || this.#sendWindow === 0) await this.#room();
      const length = Math.min(this.#sendWindow, maxPayload, cursor.remaining);
      this.#sendWindow -= length;
      await this.#session.sendData(this.id, 0, cursor.take(length), length);
    }
    if (this.#failure !== undefined) throw this.#failure();
  }

  /** Sends one frame of any length: the caller that fills the pipe keeps it small enough for the other streams. */
  async #sendPiped(
    send: NonNullable<StreamSession["sendPiped"]>,
    bytes: PipedBytes,
    head: Uint8Array | undefined,
  ): Promise<void> {
    if (head !== undefined) await this.#send([head]);
    if (bytes.length > (await this.#room()))
      throw new KumiteError("internal", "more piped bytes than there was room for");
    this.#sendWindow -= bytes.length;
    await send(this.id, bytes);
    if (this.#failure !== undefined) throw this.#failure();
  }

  /** How many bytes the peer accepts now; waits until this is more than 0. */
  async #room(): Promise<number> {
    while (this.#sendWindow === 0) {
      if (this.#failure !== undefined) throw this.#failure();
      this.#windowOpened ??= deferred();
      await this.#windowOpened.promise;
    }
    if (this.#failure !== undefined) throw this.#failure();
    return this.#sendWindow;
  }

  async #sendEnd(): Promise<void> {
    if (this.#failure !== undefined) return;
    this.#endSent = true;
    await this.#session.sendData(this.id, frameFlag.fin, [], 0);
    this.#forgetIfOver();
  }

  #forgetIfOver(): void {
    if (this.#remoteEnded && this.#localEnded && this.#unsent === 0) this.#session.forget(this.id);
  }
}

function brokenPipe(): SystemError {
  return new SystemError("EPIPE", "write");
}

/** Takes bytes off a list of arrays without copying. */
class PartsCursor {
  readonly #parts: Uint8Array[];
  remaining: number;

  constructor(parts: readonly Uint8Array[]) {
    this.#parts = parts.filter((part) => part.length > 0);
    this.remaining = this.#parts.reduce((length, part) => length + part.length, 0);
  }

  /** Returns `length` bytes, at most `remaining`, as views. */
  take(length: number): Uint8Array[] {
    const taken: Uint8Array[] = [];
    this.remaining -= length;
    for (let missing = length; missing > 0; ) {
      const part = this.#parts[0] as Uint8Array;
      if (part.length > missing) {
        taken.push(part.subarray(0, missing));
        this.#parts[0] = part.subarray(missing);
        return taken;
      }
      taken.push(part);
      this.#parts.shift();
      missing -= part.length;
    }
    return taken;
  }
}
