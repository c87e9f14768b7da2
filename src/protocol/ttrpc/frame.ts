/**
 * The frames of ttrpc: a header of ten bytes, big-endian, and up to 4 MiB of data.
 * Knows nothing of calls. Numbers: ttrpc protocol 1.2.
 */
import type { ByteReader } from "../../util/byte-reader.ts";

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

/** `undefined` when the stream ends between two frames. */
export async function readHeader(reader: ByteReader): Promise<FrameHeader | undefined> {
  const bytes = await reader.readExactlyOrEnd(headerLength);
  if (bytes === undefined) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, headerLength);
  return {
    length: view.getUint32(0),
    streamId: view.getUint32(4),
    type: view.getUint8(8),
    flags: view.getUint8(9),
  };
}
