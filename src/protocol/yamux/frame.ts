/**
 * The frames of yamux: a header of twelve bytes, big-endian, and a payload in data frames. Numbers are those of the
 * yamux specification, version 0.
 * Knows nothing of streams and windows.
 */

export const frameType = { data: 0, windowUpdate: 1, ping: 2, goAway: 3 } as const;

export const frameFlag = { syn: 1, ack: 2, fin: 4, rst: 8 } as const;

/**
 * Values of `length` in a go-away frame. `replaced` is Kumite's own: the sender has taken over the carrier from another
 * process, and wants a new session on it.
 */
export const goAwayCode = { normal: 0, protocolError: 1, internalError: 2, replaced: 0x4b } as const;

/** What each side of a new stream may send before the first window update, in bytes. */
export const initialWindowBytes = 256 * 1024;

export interface FrameHeader {
  readonly version: number;
  readonly type: number;
  readonly flags: number;
  /** 0 means the session itself. */
  readonly streamId: number;
  /** Depending on the type: payload length, window delta, ping value or go-away code. */
  readonly length: number;
}

const headerLength = 12;

export function encodeHeader(type: number, flags: number, streamId: number, length: number): Uint8Array {
  const bytes = new Uint8Array(headerLength);
  bytes[1] = type;
  bytes[2] = flags >>> 8;
  bytes[3] = flags;
  putUint32(bytes, 4, streamId);
  putUint32(bytes, 8, length);
  return bytes;
}

// Byte by byte, because a DataView costs more on the small engine.

function putUint32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

function uint32(bytes: Uint8Array, at: number): number {
  const high = ((bytes[at] as number) << 24) | ((bytes[at + 1] as number) << 16);
  return (high | ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number)) >>> 0;
}

function decodeHeader(bytes: Uint8Array, at: number): FrameHeader {
  return {
    version: bytes[at] as number,
    type: bytes[at + 1] as number,
    flags: ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number),
    streamId: uint32(bytes, at + 4),
    length: uint32(bytes, at + 8),
  };
}

/** Called while frames arrive, so that payloads are never collected. An exception ends the parsing. */
export interface FrameHandler {
  /** A header has arrived; if it is a data frame, the payload follows. */
  onHeader(header: FrameHeader): void;
  /** A part of the current frame's payload, as a view of the bytes that were fed. */
  onPayload(part: Uint8Array): void;
  /** The current frame is complete. */
  onEnd(header: FrameHeader): void;
}

/** Splits the arriving bytes into frames, however they are divided into chunks. */
export class FrameParser {
  readonly #handler: FrameHandler;
  readonly #header = new Uint8Array(headerLength);
  #headerFilled = 0;
  #current: FrameHeader | undefined;
  #payloadMissing = 0;

  constructor(handler: FrameHandler) {
    this.#handler = handler;
  }

  /** Whether the last byte fed was the last one of a frame. */
  get betweenFrames(): boolean {
    return this.#current === undefined && this.#headerFilled === 0;
  }

  feed(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length; ) {
      at += this.#current === undefined ? this.#feedHeader(chunk, at) : this.#feedPayload(this.#current, chunk, at);
    }
  }

  /** Both return how many bytes they consumed. */
  #feedHeader(chunk: Uint8Array, at: number): number {
    // Most headers arrive in one piece.
    if (this.#headerFilled === 0 && chunk.length - at >= headerLength) {
      this.#begin(decodeHeader(chunk, at));
      return headerLength;
    }
    const taken = Math.min(headerLength - this.#headerFilled, chunk.length - at);
    this.#header.set(chunk.subarray(at, at + taken), this.#headerFilled);
    this.#headerFilled += taken;
    if (this.#headerFilled < headerLength) return taken;
    this.#headerFilled = 0;
    this.#begin(decodeHeader(this.#header, 0));
    return taken;
  }

  #begin(header: FrameHeader): void {
    this.#handler.onHeader(header);
    if (header.type === frameType.data && header.length > 0) {
      this.#current = header;
      this.#payloadMissing = header.length;
    } else {
      this.#handler.onEnd(header);
    }
  }

  #feedPayload(header: FrameHeader, chunk: Uint8Array, at: number): number {
    const taken = Math.min(this.#payloadMissing, chunk.length - at);
    this.#payloadMissing -= taken;
    this.#handler.onPayload(chunk.subarray(at, at + taken));
    if (this.#payloadMissing === 0) {
      this.#current = undefined;
      this.#handler.onEnd(header);
    }
    return taken;
  }
}
