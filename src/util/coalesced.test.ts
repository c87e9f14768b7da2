import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { coalesced } from "./coalesced.ts";
import { type Deferred, deferred } from "./deferred.ts";

/** Writes that end when the test ends them. */
function slowWrites() {
  const writes: Deferred<void>[] = [];
  const write = (): Promise<void> => {
    const writing = deferred();
    writes.push(writing);
    return writing.promise;
  };
  return { writes, write };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("coalesced writing", () => {
  it("writes one at a time, and later callers share the next write", async () => {
    const { writes, write } = slowWrites();
    const save = coalesced(write);
    const first = save();
    await turn();
    const [second, third] = [save(), save()];
    await turn();
    assert.equal(writes.length, 1);
    writes[0]?.resolve();
    await first;
    await turn();
    assert.equal(writes.length, 2);
    writes[1]?.resolve();
    await Promise.all([second, third]);
    assert.equal(writes.length, 2);
  });

  it("reports a failure only to those who waited for that write", async () => {
    const { writes, write } = slowWrites();
    const save = coalesced(write);
    const first = save();
    await turn();
    const second = save();
    writes[0]?.reject(new Error("disk full"));
    await assert.rejects(first, /disk full/);
    await turn();
    writes[1]?.resolve();
    await second;
  });
});
