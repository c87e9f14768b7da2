import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { concat } from "../../util/bytes.ts";
import { encodeHeader, type FrameHeader, FrameParser, frameFlag, frameType } from "./frame.ts";

describe("the frames of yamux", () => {
  it("have a header of version, type, flags, stream id and length, all big-endian", () => {
    assert.deepEqual(
      [...encodeHeader(frameType.windowUpdate, frameFlag.syn | frameFlag.rst, 0x01020304, 0x00040000)],
      [0, 1, 0, 9, 1, 2, 3, 4, 0, 4, 0, 0],
    );
  });

  it("are decoded however the carrier cuts its bytes", () => {
    const frame = fc.record({
      type: fc.constantFrom(...Object.values(frameType)),
      flags: fc.nat(15),
      streamId: fc.nat(),
      payload: fc.uint8Array({ maxLength: 100 }),
    });
    fc.assert(
      fc.property(fc.array(frame), fc.infiniteStream(fc.integer({ min: 1, max: 40 })), (frames, cuts) => {
        const wire = concat([
          new Uint8Array(0),
          ...frames.flatMap(({ type, flags, streamId, payload }) => [
            encodeHeader(type, flags, streamId, payload.length),
            type === frameType.data ? payload : new Uint8Array(0),
          ]),
        ]);
        const { parser, seen } = collect();
        for (let at = 0; at < wire.length; ) {
          const end = at + (cuts.next().value as number);
          parser.feed(wire.subarray(at, end));
          at = end;
        }
        assert.ok(parser.betweenFrames);
        assert.deepEqual(
          seen,
          frames.map(({ type, flags, streamId, payload }) => ({
            header: { version: 0, type, flags, streamId, length: payload.length },
            payload: type === frameType.data ? [...payload] : [],
          })),
        );
      }),
    );
  });

  it("contain their payload as views, not copies", () => {
    const { parser, parts } = collect();
    const wire = concat([encodeHeader(frameType.data, 0, 1, 4), new Uint8Array(4)]);
    parser.feed(wire);
    assert.equal(parts[0]?.buffer, wire.buffer);
  });
});

function collect() {
  const seen: { header: FrameHeader; payload: number[] }[] = [];
  const parts: Uint8Array[] = [];
  let payload: number[] = [];
  const parser = new FrameParser({
    onHeader: () => {
      payload = [];
    },
    onPayload: (part) => {
      parts.push(part);
      payload.push(...part);
    },
    onEnd: (header) => void seen.push({ header, payload }),
  });
  return { parser, seen, parts };
}
