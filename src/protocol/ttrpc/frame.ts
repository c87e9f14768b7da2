/**
 * The frames of ttrpc: a header of ten bytes, big-endian, and up to 4 MiB of data.
 * Knows nothing of calls. Numbers: ttrpc protocol 1.2.
 */
import { ByteBuffer } from "../../util/byte-buffer.ts";
import { KumiteError } from "../../util/errors.ts";

/** Largest data of one frame, in bytes. */
export const maxDataLength = 4 * 1024 * 1024;

export const frameType = { request: 1, response: 2, data: 3 } as const;

/** Bits of a request's or data frame's flags; a unary call has none. */
export const frameFlag = { remoteClosed: 1, remoteOpen: 2, noData: 4 } as const;

export interface FrameHeader {
  /** Of the data that follows. Not checked here: what is too long for one side may be skipped by the other. */
  readonly length: number;
  /** Odd when the client opened the stream. */
  readonly streamId: number;
  /** One of `frameType`, or something a later version made. */
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
  /** A header arrived. False: the data is passed over, and no array is ever made for it. */
  onHeader(header: FrameHeader): boolean;
  /** The data of a frame that was not passed over; maybe a view on a larger array. */
  onFrame(header: FrameHeader, data: Uint8Array): void;
}

/**
 * Puts frames together from what arrives, without a promise for each part: an interpreted engine serves a connection
 * twice as fast. Whatever the handler throws comes out of `next`.
 */
export class FrameParser {
  readonly #handler: FrameHandler;
  readonly #arrived = new ByteBuffer();
  /** The frame whose data is expected. */
  #current: FrameHeader | undefined;
  /** Bytes of a frame's data that are to be passed over. */
  #passing = 0;

  constructor(handler: FrameHandler) {
    this.#handler = handler;
  }

  push(chunk: Uint8Array): void {
    this.#arrived.push(chunk, this.#current?.length);
  }

  /** Hands out the next frame that arrived whole. False when more has to arrive first. */
  next(): boolean {
    while (this.#current === undefined || this.#passing > 0) {
      if (!(this.#passing > 0 ? this.#pass() : this.#header())) return false;
    }
    return this.#data(this.#current);
  }

  /** Bytes that arrived and belong to no frame that was handed out. */
  get buffered(): number {
    return this.#arrived.length;
  }

  /** To be called when the stream has ended. @throws KumiteError `protocol/violation` in the middle of a frame */
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
