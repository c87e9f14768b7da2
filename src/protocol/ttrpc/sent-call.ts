/** A call whose request is on the wire before there is a `TtrpcConnection`: the first of its stream. */
import { concat } from "../../util/bytes.ts";
import { requestHead, requestParts } from "./envelope.ts";

export interface SentCall {
  /** `service/method`. */
  readonly name: string;
  /** The whole frame. */
  readonly bytes: Uint8Array;
  readonly timeoutMs: number;
  readonly maxResponseBytes: number;
}

/** The stream id of the first call of a connection. */
export const firstStreamId = 1;

/** The same arguments give the same bytes in every process, and the same as `TtrpcConnection.call`. */
export function callToSend(
  service: string,
  method: string,
  payload: Uint8Array,
  limits: Pick<SentCall, "timeoutMs" | "maxResponseBytes">,
): SentCall {
  const { parts } = requestParts(firstStreamId, requestHead(service, method, limits), payload);
  return { name: `${service}/${method}`, bytes: concat(parts), ...limits };
}

/** Whether the parts are those of the call. */
export function isSame({ bytes }: SentCall, parts: readonly Uint8Array[]): boolean {
  const other = concat(parts);
  return other.length === bytes.length && other.every((byte, index) => byte === bytes[index]);
}
