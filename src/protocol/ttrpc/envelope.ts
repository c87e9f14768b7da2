/**
 * Encodes requests and responses as the parts of a frame. The payload is never copied: it is the last field of its
 * message, so everything before it goes into one small array, and the payload itself is the second part.
 */
import type { BinaryWriter } from "@bufbuild/protobuf/wire";
import { Request, Response } from "../gen/ttrpc/envelope.ts";
import { encodeHeader, frameType } from "./frame.ts";

/** The parts of one message, in order. `length` is that of the frame's data. */
export interface MessageParts {
  readonly parts: readonly Uint8Array[];
  readonly length: number;
}

export function requestParts(streamId: number, request: Omit<Request, "payload">, payload: Uint8Array): MessageParts {
  const writer = Request.encode({ ...request, payload: none });
  return assemble(frameType.request, streamId, writer, payloadTags.request, payload);
}

/** What a request consists of besides its payload. Without `timeoutMs` the server has no limit. */
export function requestHead(
  service: string,
  method: string,
  { timeoutMs = 0, metadata = {} }: Partial<RequestExtras> = {},
): Omit<Request, "payload"> {
  return {
    service,
    method,
    timeoutNano: BigInt(Math.ceil(timeoutMs)) * 1_000_000n,
    metadata: Object.entries(metadata).map(([key, value]) => ({ key, value })),
  };
}

interface RequestExtras {
  readonly timeoutMs: number;
  readonly metadata: Readonly<Record<string, string>>;
}

export function responseParts(streamId: number, response: Pick<Response, "status">, payload: Uint8Array): MessageParts {
  const writer = Response.encode({ ...response, payload: none });
  return assemble(frameType.response, streamId, writer, payloadTags.response, payload);
}

const none = new Uint8Array(0);

/** Field number of `payload` shifted left by three, with wire type 2. */
const payloadTags = { request: (3 << 3) | 2, response: (2 << 3) | 2 } as const;

function assemble(
  type: number,
  streamId: number,
  writer: BinaryWriter,
  tag: number,
  payload: Uint8Array,
): MessageParts {
  if (payload.length > 0) writer.uint32(tag).uint32(payload.length);
  const fields = writer.finish();
  const length = fields.length + payload.length;
  const header = encodeHeader({ length, streamId, type, flags: 0 });
  return { parts: [header, fields, payload].filter((part) => part.length > 0), length };
}
