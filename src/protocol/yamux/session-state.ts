/**
 * The state of an idle session, as data. Another process can resume the session on a carrier whose peer is in exactly
 * this state, for example the peer in a copied VM.
 */
import { concat } from "../../util/bytes.ts";
import { isRecord } from "../../util/json.ts";
import { decodeLatin1, decodeUtf8 } from "../../util/text.ts";
import { encodeHeader, frameFlag, frameType, initialWindowBytes } from "./frame.ts";

export interface SessionState {
  /** The id of the next stream that this end opens. */
  readonly nextId: number;
  /** The last id that the peer has used; 0 before its first stream. */
  readonly lastPeerId: number;
  /** All are open in both directions, and everything received on them has been read. */
  readonly streams: readonly StreamState[];
}

/** Windows are in bytes. */
export interface StreamState {
  readonly id: number;
  /** How much this end may still send. */
  readonly sendWindow: number;
  /** How much the peer may still send. */
  readonly receiveWindow: number;
  /** How much was read since the last window update. */
  readonly consumed: number;
  /** What this end allowed beyond the initial window. */
  readonly extraWindow: number;
}

/** The value of the ping in `sessionGreeting`. Sessions count their own pings from 1. */
export const greetingPing = 0;

/**
 * The bytes that must be sent before a session is resumed: a ping whose answer shows that the peer is there
 * (`greeted`). They are ASCII and always the same, so the process that starts the peer can send them before the
 * resuming process runs.
 */
export function sessionGreeting(): string {
  return decodeUtf8(encodeHeader(frameType.ping, frameFlag.syn, 0, greetingPing));
}

/**
 * The frame that sends data on a stream before the session is resumed, one character per byte, and the state that it is
 * resumed with after that. `undefined` if the stream's window has no room for the data.
 */
export function dataSentAhead(
  state: SessionState,
  streamId: number,
  data: Uint8Array,
): { readonly text: string; readonly state: SessionState } | undefined {
  const stream = state.streams.find(({ id }) => id === streamId);
  if (stream === undefined || stream.sendWindow < data.length) return undefined;
  const sendWindow = stream.sendWindow - data.length;
  const streams = state.streams.map((each) => (each === stream ? { ...stream, sendWindow } : each));
  const header = encodeHeader(frameType.data, 0, streamId, data.length);
  return { text: decodeLatin1(concat([header, data])), state: { ...state, streams } };
}

/** Whether a value that was read from a file is a state that a session can have. */
export function isSessionState(value: unknown): value is SessionState {
  if (!isRecord(value) || !isNumber(value.nextId) || !isNumber(value.lastPeerId)) return false;
  return Array.isArray(value.streams) && value.streams.every(isStreamState);
}

function isStreamState(value: unknown): value is StreamState {
  if (!isRecord(value)) return false;
  const { id, sendWindow, receiveWindow, consumed, extraWindow } = value;
  if (![id, sendWindow, receiveWindow, consumed, extraWindow].every(isNumber)) return false;
  return (receiveWindow as number) + (consumed as number) === initialWindowBytes + (extraWindow as number);
}

/** Numbers in the protocol have 32 bits. */
function isNumber(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 0xffff_ffff;
}
