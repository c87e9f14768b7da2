import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { ByteReader } from "./byte-reader.ts";
import { concat, readAll } from "./bytes.ts";
import { streamPair } from "./stream-pair.ts";
import { encodeUtf8 } from "./text.ts";

describe("reading records from a stream", () => {
  it("returns the same records however the stream cuts its bytes", async () => {
    const records = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 20 });
    const lengths = fc.infiniteStream(fc.integer({ min: 1, max: 400 }));
    await fc.assert(
      fc.asyncProperty(records, lengths, async (expected, reads) => {
        const [ours, theirs] = streamPair({ nextReadLength: () => reads.next().value as number });
        void theirs.write(concat(expected)).then(() => theirs.end());
        const reader = new ByteReader(ours);
        for (const record of expected) {
          assert.deepEqual([...(await reader.readExactly(record.length))], [...record]);
        }
        assert.equal(await reader.readExactlyOrEnd(1), undefined);
      }),
      { numRuns: 50 },
    );
  });

  it("distinguishes an end between records from one inside", async () => {
    const reader = readerOf("abc");
    await assert.rejects(reader.readExactly(4), {
      code: "protocol/violation",
      message: "the stream ended after 3 of 4 expected bytes",
    });
    await assert.rejects(readerOf("").readExactly(4), { message: "the stream ended where 4 bytes were expected" });
  });

  it("loses no bytes when a read is aborted", async () => {
    const [ours, theirs] = streamPair();
    const reader = new ByteReader(ours);
    const controller = new AbortController();
    const waiting = reader.readExactly(4, controller.signal);
    await theirs.write(encodeUtf8("ab"));
    controller.abort();
    await assert.rejects(waiting, { code: "aborted" });
    await theirs.write(encodeUtf8("cd"));
    assert.equal(String.fromCharCode(...(await reader.readExactly(4))), "abcd");
  });

  it("does not read a line beyond its limit", async () => {
    const reader = readerOf("one\ntwo\n0123456789\n");
    assert.equal(await reader.readLine(8), "one");
    assert.equal(await reader.readLine(4), "two");
    await assert.rejects(reader.readLine(10), { message: "no end of line within 10 bytes" });
    await assert.rejects(readerOf("half").readLine(10), { message: "the stream ended in the middle of a line" });
    assert.equal(await readerOf("").readLine(10), undefined);
  });

  it("returns the rest as a stream, including what it had read ahead", async () => {
    const reader = readerOf("0123\n456789");
    assert.equal(await reader.readLine(8), "0123");
    const rest = reader.rest();
    assert.equal(String.fromCharCode(...(await readAll(rest, 100))), "456789");
  });
});

describe("reading all", () => {
  it("stops at the limit", async () => {
    const [ours, theirs] = streamPair();
    void theirs.write(encodeUtf8("0123456789"));
    await assert.rejects(readAll(ours, 9), { code: "protocol/violation", message: "more than 9 bytes were sent" });
  });
});

function readerOf(text: string): ByteReader {
  const [ours, theirs] = streamPair();
  void theirs.write(encodeUtf8(text)).then(() => theirs.end());
  return new ByteReader(ours);
}
