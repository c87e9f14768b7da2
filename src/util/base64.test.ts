import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { base64UrlOf } from "./base64.ts";

describe("base64 for names", () => {
  it("is encoded as by other programs, with padding", () => {
    for (const text of ["", "a", "ab", "abc", "/var/lib/kubelet/pods/1/volumes/x", "ÿþ>>>???", "ü", "🙂"]) {
      const expected = Buffer.from(text).toString("base64").replaceAll("+", "-").replaceAll("/", "_");
      assert.equal(base64UrlOf(text), expected);
    }
  });
});
