import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { atLeast, atMost, median, percentile, summarize } from "./figures.ts";

describe("figures", () => {
  it("have the middle sample as median, or the mean of the two middle ones", () => {
    assert.equal(median([9, 1, 5]), 5);
    assert.equal(median([4, 1, 3, 2]), 2.5);
    assert.throws(() => median([]));
  });

  it("have as percentile the sample that this share does not exceed", () => {
    const hundred = Array.from({ length: 100 }, (_, index) => 100 - index);
    assert.deepEqual(
      [50, 95, 99, 100].map((percent) => percentile(hundred, percent)),
      [50, 95, 99, 100],
    );
    assert.equal(percentile([7], 1), 7);
    assert.throws(() => percentile([], 50));
  });

  it("keep their extremes", () => {
    const { min, median: middle, max } = summarize({ name: "x", unit: "ms", samples: [3, 1, 2] });
    assert.deepEqual([min, middle, max], [1, 2, 3]);
  });

  it("reach a limit that they meet exactly", () => {
    assert.equal(atMost("p", 5, 5, "ms").reached, true);
    assert.equal(atMost("p", 5.1, 5, "ms").reached, false);
    assert.equal(atLeast("p", 5, 5, "ms").reached, true);
    assert.equal(atLeast("p", 4.9, 5, "ms").reached, false);
  });
});
