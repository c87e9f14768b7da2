import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { sample, shuffled } from "./sample.ts";

describe("a sample", () => {
  const all = Array.from({ length: 40 }, (_, index) => index);

  it("is the same for the same seed, in the original order, and without duplicates", () => {
    const chosen = sample(all, 7, "0123456789ab");
    assert.deepEqual(sample(all, 7, "0123456789ab"), chosen);
    assert.equal(new Set(chosen).size, 7);
    assert.deepEqual(
      [...chosen].sort((a, b) => a - b),
      chosen,
    );
  });

  it("includes everything in the course of time", () => {
    const met = new Set(Array.from({ length: 100 }, (_, commit) => sample(all, 7, `commit ${commit}`)).flat());
    assert.equal(met.size, all.length);
  });

  it("consists of the first items of the shuffled ones", () => {
    const first = shuffled(all, "0123456789ab").slice(0, 7);
    assert.deepEqual(
      first.sort((a, b) => a - b),
      sample(all, 7, "0123456789ab"),
    );
  });

  it("is everything when no more was requested", () => {
    assert.deepEqual(sample(all, 100, "a"), all);
    assert.deepEqual(sample([], 1, "a"), []);
  });
});
