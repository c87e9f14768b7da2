import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { nearest } from "./nearest.ts";

const verbs = ["create", "start", "state", "delete", "list", "kill"];

describe("the nearest word", () => {
  it("is the one that was mistyped", () => {
    assert.equal(nearest("crate", verbs), "create");
    assert.equal(nearest("strat", verbs), "start");
    assert.equal(nearest("lits", verbs), "list");
    assert.equal(nearest("kil", verbs), "kill");
  });

  it("is none if no word is near", () => {
    assert.equal(nearest("frobnicate", verbs), undefined);
    assert.equal(nearest("x", verbs), undefined);
    assert.equal(nearest("", verbs), undefined);
  });
});
