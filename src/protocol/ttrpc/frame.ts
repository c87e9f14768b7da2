/**
 * The frames of ttrpc: a header of ten bytes, big-endian, and up to 4 MiB of data. Numbers are those of ttrpc protocol
 * 1.2.
 * Knows nothing of calls.
 */
import { ByteBuffer } from "../../util/byte-buffer.ts";
import { KumiteError } from "../../util/errors.ts";

/** The largest data of a frame, in bytes. */
export const maxDataLength = 4 * 1024 * 1024;

export const frameType = { request: 1, response: 2, data: 3 } as const;

/** Flags of a request or data frame; a unary call has none. */
export const frameFlag = { remoteClosed: 1, remoteOpen: 2, noData: 4 } as const;

export interface FrameHeader {
  /**
   * Length of the data that follows. It is not checked here, because the server refuses a frame that is too long, but
   * goes on.
   */
  readonly length: number;
  /** Odd if the client has opened the stream. */
  readonly streamId: number;
  /** One of `frameType`, or a type of a later version. */
  readonly type: number;
  readonly flags: number;
}

const headerLength = 10;

export function encodeHeader({ length, streamId, type, flags }: FrameHeader): Uint8Array {
  const bytes = new Uint8Array(headerLength);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, length);
  view.setUint32(4, streamId);
  view.setUint8(8, type);
  view.setUint8(9, flags);
  return bytes;
}

export interface FrameHandler {
  /** Called when a header has arrived. Returns false to skip the data, for which no array is created then. */
  onHeader(header: FrameHeader): boolean;
  /** Called with the data of a frame that was not skipped, possibly a view of a larger array. */
  onFrame(header: FrameHeader, data: Uint8Array): void;
}

/**
 * Assembles frames from the bytes that arrive. It needs no promise for each part, which makes connections twice as fast
 * on an interpreting engine. Exceptions of the handler are thrown by `next`.
 */
export class FrameParser {
  readonly #handler: FrameHandler;
  readonly #arrived = new ByteBuffer();
  /** The frame whose data is expected next. */
  #current: FrameHeader | undefined;
  /** Number of bytes to skip of a frame's data. */
  #passing = 0;

  constructor(handler: FrameHandler) {
    this.#handler = handler;
  }

  push(chunk: Uint8Array): void {
    this.#arrived.push(chunk, this.#current?.length);
  }

  /** Passes the next complete frame to the handler. Returns false when more bytes must arrive first. */
  next(): boolean {
    while (this.#current === undefined || this.#passing > 0) {
      if (!(this.#passing > 0 ? this.#pass() : this.#header())) return false;
    }
    return this.#data(this.#current);
  }

  /** Number of bytes that have arrived and not been passed on. */
  get buffered(): number {
    return this.#arrived.length;
  }

  /**
   * Must be called when the stream has ended.
   * @throws KumiteError `protocol/violation` in the middle of a frame
   */
  end(): void {
    if (this.#current === undefined && this.#passing === 0 && this.#arrived.length === 0) return;
    throw new KumiteError("protocol/violation", "the stream ended in the middle of a frame");
  }

  #pass(): boolean {
    this.#passing -= this.#arrived.drop(this.#passing);
    return this.#passing === 0;
  }

  #header(): boolean {
    const bytes = this.#arrived.take(headerLength);
    if (bytes === undefined) return false;
    const header = decodeHeader(bytes);
    if (this.#handler.onHeader(header)) this.#current = header;
    else this.#passing = header.length;
    return true;
  }

  #data(header: FrameHeader): boolean {
    const data = this.#arrived.take(header.length);
    if (data === undefined) return false;
    this.#current = undefined;
    this.#handler.onFrame(header, data);
    return true;
  }
}

function decodeHeader(bytes: Uint8Array): FrameHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, headerLength);
  return {
    length: view.getUint32(0),
    streamId: view.getUint32(4),
    type: view.getUint8(8),
    flags: view.getUint8(9),
  };
}
