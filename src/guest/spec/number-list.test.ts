import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { numbersOf, splitByPresence } from "./number-list.ts";

const spelledOut = (list: string): number[] =>
  list === ""
    ? []
    : list.split(",").flatMap((word) => {
        const [first = 0, last = first] = word.split("-").map(Number);
        return Array.from({ length: last - first + 1 }, (_, index) => first + index);
      });

describe("a CPU set", () => {
  it("is divided into CPUs that exist and CPUs that do not", () => {
    assert.deepEqual(splitByPresence("0-7", "0-1"), { kept: "0-1", missing: "2-7" });
    assert.deepEqual(splitByPresence("3, 0", "0-3"), { kept: "0,3", missing: "" });
    assert.deepEqual(splitByPresence("4-5,9", "0-3\n"), { kept: "", missing: "4-5,9" });
    assert.deepEqual(splitByPresence("0-99999", "1,3"), { kept: "1,3", missing: "0,2,4-99999" });
  });

  it("is parsed into its numbers, up to the largest possible one", () => {
    assert.deepEqual(numbersOf("3,0-1, 1", 3), [0, 1, 3]);
    assert.equal(numbersOf("0-4", 3), undefined);
    assert.equal(numbersOf("all", 3), undefined);
  });

  it("is refused if it is invalid", () => {
    for (const list of ["", "a", "1-", "-1", "2-1", "1,,2", "0-100000", "0x1", "1;2"]) {
      assert.equal(splitByPresence(list, "0-3"), undefined, list);
    }
  });

  it("is formatted without losing or adding numbers", () => {
    const list = fc
      .array(fc.tuple(fc.nat(40), fc.nat(5)), { minLength: 1, maxLength: 6 })
      .map((ranges) => ranges.map(([first, more]) => (more === 0 ? `${first}` : `${first}-${first + more}`)).join(","));
    fc.assert(
      fc.property(list, list, (asked, present) => {
        const split = splitByPresence(asked, present);
        const there = new Set(spelledOut(present));
        const all = [...new Set(spelledOut(asked))].sort((a, b) => a - b);
        assert.deepEqual(
          spelledOut(split?.kept ?? "-"),
          all.filter((number) => there.has(number)),
        );
        assert.deepEqual(
          spelledOut(split?.missing ?? "-"),
          all.filter((number) => !there.has(number)),
        );
      }),
    );
  });
});
