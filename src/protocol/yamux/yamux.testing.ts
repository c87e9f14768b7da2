/** Two sessions, or one and a hand-written peer, over streams in memory. */
import assert from "node:assert/strict";
import type { ByteStream, PipedWriting } from "../../sys/os.ts";
import { type StreamPairOptions, streamPair } from "../../util/stream-pair.ts";
import { decodeUtf8 } from "../../util/text.ts";
import type { YamuxOptions } from "./options.ts";
import { YamuxSession } from "./session.ts";

export function connect(
  streams: StreamPairOptions,
  options: { client?: Partial<YamuxOptions>; server?: Partial<YamuxOptions> } = {},
) {
  const [left, right] = streamPair(streams);
  const client = new YamuxSession(left, { role: "client", ...options.client });
  const server = new YamuxSession(right, { role: "server", ...options.server });
  return { client, server };
}

export async function stream(): Promise<{ ours: ByteStream; theirs: ByteStream }> {
  const { client, server } = connect({});
  const ours = client.open();
  return { ours, theirs: await accepted(server) };
}

/** A stream over a carrier that accepts piped bytes. The content of a pipe is its descriptor's number, repeated. */
export async function pipedStream(moving: () => Promise<void> = async () => {}) {
  const [left, right] = streamPair();
  const piped: PipedWriting = {
    room: async () => Number.POSITIVE_INFINITY,
    write: async ({ fd, length }, head = new Uint8Array(0)) => {
      await moving();
      await left.writeAll?.([head, new Uint8Array(length).fill(fd)]);
    },
  };
  const carrier: ByteStream = {
    read: (signal) => left.read(signal),
    write: (bytes) => left.write(bytes),
    end: () => left.end(),
    close: () => left.close(),
    piped,
  };
  const server = new YamuxSession(right, { role: "server" });
  const ours = new YamuxSession(carrier, { role: "client" }).open();
  const theirs = await accepted(server);
  assert.ok(ours.piped !== undefined);
  return { ours, theirs, piped: ours.piped };
}

/** A session whose peer is written by hand. */
export function rawPeer(options: YamuxOptions, streams: StreamPairOptions = {}) {
  const [left, raw] = streamPair(streams);
  return { session: new YamuxSession(left, options), raw };
}

export function frame(
  type: number,
  flags: number,
  streamId: number,
  length: number,
  payload: number[] = [],
): Uint8Array {
  const bytes = new Uint8Array(12 + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint8(1, type);
  view.setUint16(2, flags);
  view.setUint32(4, streamId);
  view.setUint32(8, length);
  bytes.set(payload, 12);
  return bytes;
}

const leftOvers = new WeakMap<ByteStream, Uint8Array>();

export async function take(raw: ByteStream, length: number): Promise<number[]> {
  let bytes = leftOvers.get(raw) ?? new Uint8Array(0);
  while (bytes.length < length) {
    const more = await raw.read();
    assert.ok(more !== undefined, "the session closed its carrier");
    bytes = new Uint8Array([...bytes, ...more]);
  }
  leftOvers.set(raw, bytes.subarray(length));
  return [...bytes.subarray(0, length)];
}

export async function accepted(session: YamuxSession): Promise<ByteStream> {
  const next = await session.accept();
  assert.ok(next !== undefined, "the session is over");
  return next;
}

export async function text(from: ByteStream): Promise<string> {
  return decodeUtf8((await from.read()) ?? new Uint8Array(0));
}

/** Lets everything run that needs no further input. */
export async function settle(turns = 20): Promise<void> {
  for (let turn = 0; turn < turns; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** A carrier whose near end can change hands, like the channel to an agent whose VM is copied. */
export function carrierThatChangesHands(): { readonly take: () => ByteStream; readonly far: ByteStream } {
  const [near, far] = streamPair();
  const pieces: (Uint8Array | undefined)[] = [];
  let wake: (() => void) | undefined;
  const pump = async (): Promise<void> => {
    for (let piece = await near.read(); ; piece = await near.read()) {
      pieces.push(piece);
      wake?.();
      if (piece === undefined) return;
    }
  };
  void pump();
  // A former owner that still waits is never woken up.
  const take = (): ByteStream => {
    wake = undefined;
    return { read, write: (bytes) => near.write(bytes), end: () => near.end(), close: () => {} };
  };
  const read = async (): Promise<Uint8Array | undefined> => {
    while (pieces.length === 0) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    return pieces.shift();
  };
  return { take, far };
}
