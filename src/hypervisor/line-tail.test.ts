import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { streamPair } from "../util/stream-pair.ts";
import { LineTail } from "./line-tail.ts";

async function tailOf(text: string, onLine?: (line: string) => void): Promise<LineTail> {
  const [writer, reader] = streamPair({ capacity: Number.POSITIVE_INFINITY });
  await writer.write(new TextEncoder().encode(text));
  await writer.end();
  const tail = new LineTail(reader, onLine);
  await tail.ended;
  return tail;
}

describe("the tail of a console", () => {
  it("has the last lines, including an unfinished one, and no empty ones", async () => {
    const tail = await tailOf("one\n\ntwo\r\nthree\nfour");
    assert.deepEqual(tail.last(3), ["two", "three", "four"]);
    assert.deepEqual(tail.last(99), ["one", "two", "three", "four"]);
  });

  it("cannot control the reader's terminal", async () => {
    const tail = await tailOf("\u001b[2J\u001b]0;title\u0007red\u001b[31m\u0007\u0000 text\n");
    assert.deepEqual(tail.last(1), ["red text"]);
  });

  it("stays small however much is written", async () => {
    const tail = await tailOf(`${"x".repeat(5_000_000)}\n${"line\n".repeat(100_000)}`);
    assert.equal(tail.last(100_000).length, 200);
    assert.ok(tail.last(1).join().length <= 1000);
  });

  it("cuts a line that never ends", async () => {
    const tail = await tailOf("y".repeat(5_000_000));
    assert.deepEqual(tail.last(2), ["y".repeat(1000)]);
  });

  it("reports each line once, as it is shown", async () => {
    const lines: string[] = [];
    await tailOf("a\nb\u001b[0m\n\nc", (line) => lines.push(line));
    assert.deepEqual(lines, ["a", "b"]);
  });
});
