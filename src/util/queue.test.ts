import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Queue } from "./queue.ts";

describe("a queue", () => {
  it("returns items in order, to the first one who waits", async () => {
    const queue = new Queue<number>();
    const waiting = [queue.next(), queue.next()];
    queue.push(1);
    queue.push(2);
    queue.push(3);
    assert.deepEqual(await Promise.all(waiting), [1, 2]);
    assert.equal(await queue.next(), 3);
  });

  it("returns its items after it was closed, then its end, and accepts no more", async () => {
    const queue = new Queue<number>();
    queue.push(1);
    queue.close();
    assert.equal(queue.push(2), false);
    assert.equal(await queue.next(), 1);
    assert.equal(await queue.next(), undefined);
  });

  it("ends every wait when it is closed, and returns what nobody took", async () => {
    const queue = new Queue<number>();
    const waiting = queue.next();
    assert.deepEqual(queue.drain(), []);
    assert.equal(await waiting, undefined);
    const full = new Queue<number>();
    full.push(1);
    assert.deepEqual(full.drain(), [1]);
  });

  it("loses no item to a wait that was aborted", async () => {
    const queue = new Queue<number>();
    const controller = new AbortController();
    const aborted = queue.next(controller.signal);
    controller.abort();
    await assert.rejects(aborted, { code: "aborted" });
    queue.push(1);
    assert.equal(await queue.next(), 1);
  });
});
