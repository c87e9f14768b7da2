import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { concat } from "../../util/bytes.ts";
import { decodeUtf8 } from "../../util/text.ts";
import { Request, Response } from "../gen/ttrpc/envelope.ts";
import { requestParts, responseParts } from "./envelope.ts";
import { encodeHeader, type FrameHeader, FrameParser } from "./frame.ts";

describe("the frames of ttrpc", () => {
  it("have a header of length, stream id, type and flags, all big-endian", () => {
    const header = { length: 0x00_01_02_03, streamId: 0x80_00_00_05, type: 2, flags: 1 };
    const bytes = encodeHeader(header);
    assert.deepEqual([...bytes], [0, 1, 2, 3, 0x80, 0, 0, 5, 2, 1]);
    const seen: FrameHeader[] = [];
    const parser = new FrameParser({ onHeader: (arrived) => seen.push(arrived) > 0, onFrame: () => {} });
    parser.push(bytes);
    assert.equal(parser.next(), false);
    assert.deepEqual(seen, [header]);
  });

  it("are decoded however they are cut, and refused ones are skipped", () => {
    const frame = (streamId: number, length: number): Uint8Array =>
      concat([encodeHeader({ length, streamId, type: 1, flags: 0 }), new Uint8Array(length).fill(streamId)]);
    const bytes = concat([frame(1, 3), frame(2, 100_000), frame(3, 0), frame(4, 0), frame(5, 7)]);
    for (const size of [1, 7, 10, 11, 4096, bytes.length]) {
      const seen: string[] = [];
      const parser = new FrameParser({
        onHeader: ({ streamId }) => streamId % 2 === 1,
        onFrame: ({ streamId }, data) => {
          assert.ok(data.every((byte) => byte === streamId));
          seen.push(`${streamId}:${data.length}`);
        },
      });
      for (let at = 0; at < bytes.length; at += size) {
        parser.push(bytes.slice(at, at + size));
        while (parser.next());
      }
      parser.end();
      assert.deepEqual(seen, ["1:3", "3:0", "5:7"]);
    }
  });

  it("may not end in the middle", () => {
    for (const length of [9, 12]) {
      const parser = new FrameParser({ onHeader: () => true, onFrame: () => {} });
      parser.push(
        concat([encodeHeader({ length: 3, streamId: 1, type: 1, flags: 0 }), new Uint8Array(3)]).slice(0, length),
      );
      while (parser.next());
      assert.throws(() => parser.end(), { code: "protocol/violation" });
    }
  });

  it("carry requests in the encoding of every implementation", () => {
    const { parts, length } = requestParts(
      3,
      { service: "S", method: "M", timeoutNano: 5n, metadata: [{ key: "k", value: "v" }] },
      new Uint8Array([9, 8]),
    );
    const bytes = concat(parts);
    assert.deepEqual([...bytes.subarray(0, 10)], [0, 0, 0, length, 0, 0, 0, 3, 1, 0]);
    // Fields by number: 1 service, 2 method, 4 timeout, 5 metadata, 3 payload.
    assert.deepEqual(
      [...bytes.subarray(10)],
      [0x0a, 1, 0x53, 0x12, 1, 0x4d, 0x20, 5, 0x2a, 6, 0x0a, 1, 0x6b, 0x12, 1, 0x76, 0x1a, 2, 9, 8],
    );
  });

  it("carry responses in the encoding of every implementation", () => {
    const status = { code: 5, message: "no", details: [] };
    const { parts } = responseParts(1, { status }, new Uint8Array(0));
    assert.deepEqual([...concat(parts).subarray(10)], [0x0a, 6, 0x08, 5, 0x12, 2, 0x6e, 0x6f]);
    const { parts: success } = responseParts(1, { status: undefined }, new Uint8Array([1]));
    assert.deepEqual([...concat(success)], [0, 0, 0, 3, 0, 0, 0, 1, 2, 0, 0x12, 1, 1]);
  });

  it("are sent without copying their payload", () => {
    const payload = new Uint8Array(100_000);
    assert.ok(
      requestParts(1, { service: "S", method: "M", timeoutNano: 0n, metadata: [] }, payload).parts.includes(payload),
    );
    assert.ok(responseParts(1, { status: undefined }, payload).parts.includes(payload));
  });

  it("are decoded by the generated code, wherever the payload is in memory", () => {
    const request = { service: "grpc.Health", method: "Check", timeoutNano: 0n, metadata: [] };
    const { parts } = requestParts(1, request, new Uint8Array([7]));
    assert.deepEqual(Request.decode(concat(parts.slice(1))), { ...request, payload: new Uint8Array([7]) });
    const answer = Response.decode(concat(responseParts(1, { status: undefined }, new Uint8Array([7])).parts.slice(1)));
    assert.deepEqual([...answer.payload], [7]);
    assert.equal(decodeUtf8(new Uint8Array()), "");
  });
});
