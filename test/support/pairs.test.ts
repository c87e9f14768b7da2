import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { allPairs } from "./pairs.ts";

const settings = { a: ["1", "2", "3"], b: ["x", "y"], c: ["k", "l", "m", "n"], d: ["0", "1"] };

describe("combinations of settings", () => {
  it("contain every two values of two settings together, in far fewer than all combinations", () => {
    const combinations = allPairs(settings, () => true);
    for (const [first, values] of Object.entries(settings)) {
      for (const [second, others] of Object.entries(settings)) {
        if (first === second) continue;
        for (const value of values) {
          for (const other of others) {
            const found = combinations.some((choice) => choice[first] === value && choice[second] === other);
            assert.ok(found, `${first}=${value} ${second}=${other}`);
          }
        }
      }
    }
    assert.ok(combinations.length < 20, String(combinations.length));
  });

  it("omit only what is not allowed", () => {
    const combinations = allPairs(settings, ({ a, b }) => !(a === "1" && b === "x"));
    assert.ok(!combinations.some(({ a, b }) => a === "1" && b === "x"));
    assert.ok(combinations.some(({ a, b }) => a === "1" && b === "y"));
    assert.ok(combinations.some(({ a, b }) => a === "2" && b === "x"));
  });
});
