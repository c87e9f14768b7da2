import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { decodeUtf8, encodeUtf8, oneLine, stripControls } from "./text.ts";

describe("untrusted text", () => {
  it("loses complete terminal sequences", () => {
    assert.equal(stripControls("\u001b[31mred\u001b[0m \u001b]0;title\u0007end \u001bcreset"), "red end reset");
    assert.equal(stripControls("\u001b]52;c;Zm9v\u001b\\clip"), "clip");
    assert.equal(stripControls("\u009b31mc1"), "31mc1");
  });

  it("keeps newlines and tabs, loses carriage returns and reordering marks", () => {
    assert.equal(stripControls("a\tb\nc\rd\u202ee\u2066f"), "a\tb\ncdef");
  });

  it("is on one line and no longer than requested", () => {
    assert.equal(oneLine("  a\n\n b\tc "), "a b c");
    assert.equal(oneLine("abcdef", 4), "abc…");
    assert.equal(oneLine("\u001b[1m".repeat(1_000_000)), "");
  });

  it("never contains a control character afterwards", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what this is about
        assert.doesNotMatch(stripControls(text), /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/);
      }),
    );
  });

  it("survives bytes that are not UTF-8", () => {
    assert.equal(decodeUtf8(new Uint8Array([0x61, 0xff, 0x62])), "a\ufffdb");
    assert.equal(decodeUtf8(encodeUtf8("日本語")), "日本語");
  });
});
