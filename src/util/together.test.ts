import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { deferred } from "./deferred.ts";
import { together } from "./together.ts";

describe("concurrent work", () => {
  it("returns the results in the order of the arguments", async () => {
    assert.deepEqual(await together(Promise.resolve(1), Promise.resolve("two")), [1, "two"]);
  });

  it("fails when all of it has ended, not before", async () => {
    const slow = deferred();
    const all = together(Promise.reject(new Error("first")), slow.promise, Promise.reject(new Error("second")));
    let over = false;
    all
      .catch(() => {})
      .finally(() => {
        over = true;
      });
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(over, false);
    slow.resolve();
    await assert.rejects(all, { message: "first" });
  });
});
