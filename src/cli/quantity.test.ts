import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isKumiteError } from "../util/errors.ts";
import { parseBytes, parseDuration, parseInteger } from "./quantity.ts";

const refused = (error: unknown) => isKumiteError(error, "usage/invalid") && /^--flag: /.test(error.message);

describe("quantities on the command line", () => {
  it("of bytes have suffixes that are powers of 1024", () => {
    const sizes: [string, number][] = [
      ["0", 0],
      ["4096", 4096],
      ["1k", 1024],
      ["64M", 67108864],
      ["64mb", 67108864],
      ["64 MiB", 67108864],
      ["1.5G", 1610612736],
      ["-1", -1],
    ];
    for (const [text, bytes] of sizes) assert.equal(parseBytes("flag", text), bytes, text);
    for (const text of ["", "M", "-2", "5X", "1e9", "0x10", "5 5", "99999999P"]) {
      assert.throws(() => parseBytes("flag", text), refused, text);
    }
  });

  it("of time have units, and are above zero", () => {
    assert.equal(parseDuration("flag", "5s"), 5000);
    assert.equal(parseDuration("flag", "1m30s"), 90_000);
    assert.equal(parseDuration("flag", "0.5s"), 500);
    assert.equal(parseDuration("flag", "250ms"), 250);
    for (const text of ["", "5", "s", "0s", "-1s", "5s ", "1d"]) {
      assert.throws(() => parseDuration("flag", text), refused, text);
    }
  });

  it("that are whole numbers have no other form", () => {
    assert.equal(parseInteger("flag", "-1", -1), -1);
    assert.equal(parseInteger("flag", "100000", 0), 100_000);
    for (const text of ["-1", "", " 1", "1.0", "1e3", "9223372036854775808"]) {
      assert.throws(() => parseInteger("flag", text, 0), refused, text);
    }
  });
});
