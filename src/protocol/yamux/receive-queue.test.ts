import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { ReceiveQueue } from "./receive-queue.ts";

describe("bytes that nobody has read yet", () => {
  it("come out in the order they went in", () => {
    const operation = fc.oneof(
      fc.record({ push: fc.uint8Array({ minLength: 1, maxLength: 2000 }), arrivedIn: fc.nat(100_000) }),
      fc.constant("shift" as const),
    );
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 60 }), (operations) => {
        const queue = new ReceiveQueue();
        const expected: number[] = [];
        const got: number[] = [];
        for (const step of operations) {
          if (step === "shift") got.push(...(queue.shift() ?? []));
          else {
            expected.push(...step.push);
            queue.push(viewOf(step.push, step.arrivedIn));
          }
        }
        assert.equal(queue.length, expected.length - got.length);
        for (let chunk = queue.shift(); chunk !== undefined; chunk = queue.shift()) got.push(...chunk);
        assert.deepEqual(got, expected);
        assert.equal(queue.length, 0);
      }),
    );
  });

  it("take no more memory than a few times their length, however small the pieces", () => {
    const queue = new ReceiveQueue();
    for (let piece = 0; piece < 2_000; piece += 1) queue.push(viewOf(new Uint8Array(1), 65536));
    const arrays = new Set<ArrayBufferLike>();
    for (let chunk = queue.shift(); chunk !== undefined; chunk = queue.shift()) arrays.add(chunk.buffer);
    const held = [...arrays].reduce((sum, { byteLength }) => sum + byteLength, 0);
    assert.ok(held <= 4 * 2_000 + 16_384, `${held} bytes are held`);
  });

  it("are not copied if they are large", () => {
    const queue = new ReceiveQueue();
    const piece = viewOf(new Uint8Array(32_000), 64_000);
    queue.push(piece);
    assert.equal(queue.shift(), piece);
  });

  it("never change after they were returned", () => {
    const queue = new ReceiveQueue();
    queue.push(viewOf(new Uint8Array([1]), 1000));
    const given = queue.shift();
    queue.push(viewOf(new Uint8Array([2]), 1000));
    assert.deepEqual([...(given ?? [])], [1]);
    assert.deepEqual([...(queue.shift() ?? [])], [2]);
  });
});

/** The bytes as a view of a larger array, like the chunks of a carrier. */
function viewOf(bytes: Uint8Array, arrivedIn: number): Uint8Array {
  const whole = new Uint8Array(Math.max(arrivedIn, bytes.length));
  whole.set(bytes);
  return whole.subarray(0, bytes.length);
}
