import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { dropNulls, JsonSyntaxError, parseJson } from "./json.ts";

function faultOf(text: string): string {
  try {
    parseJson(text);
  } catch (error) {
    assert.ok(error instanceof JsonSyntaxError, String(error));
    return error.message;
  }
  return "parsed";
}

describe("parseJson", () => {
  it("names the position of the first error", () => {
    assert.equal(faultOf('{\n  "a": 1,\n}'), "line 3, column 1: expected a key in quotes");
    assert.equal(faultOf('{"a" 1}'), 'line 1, column 6: expected ":"');
    assert.equal(faultOf('{"a": [1 2]}'), 'line 1, column 10: expected "," or "]"');
    assert.equal(faultOf('{"a": yes}'), "line 1, column 7: expected a value");
    assert.equal(faultOf('{"a": "\\x"}'), "line 1, column 8: unknown escape in a string");
    assert.equal(faultOf("{} x"), "line 1, column 4: expected the end of the document");
    assert.equal(faultOf(""), "line 1, column 1: the document ends too early");
    assert.equal(faultOf('{"a": "b'), "line 1, column 9: the document ends too early");
  });

  it("refuses what is nested too deeply, wherever it ends", () => {
    const nested = (depth: number, inner: string) => `${"[".repeat(depth)}${inner}${"]".repeat(depth)}`;
    assert.equal(faultOf(nested(100, "1")), "parsed");
    assert.equal(faultOf(nested(101, "1")), "line 1, column 102: nested deeper than 100");
    for (const text of ["[".repeat(1 << 20), '{"a":'.repeat(1 << 17), nested(1 << 19, "")]) {
      assert.match(faultOf(text), /nested deeper than 100/);
    }
  });

  it("finds a position for every text that the engine refuses", () => {
    fc.assert(
      fc.property(fc.json(), fc.nat(), fc.string({ maxLength: 2 }), (json, at, noise) => {
        const cut = at % (json.length + 1);
        const text = json.slice(0, cut) + noise + json.slice(cut + 1);
        let refused = false;
        try {
          JSON.parse(text);
        } catch {
          refused = true;
        }
        assert.equal(faultOf(text) !== "parsed", refused);
      }),
      { numRuns: 500 },
    );
  });

  it("reads what JSON.parse reads", () => {
    fc.assert(fc.property(fc.json(), (json) => assert.deepEqual(parseJson(json), JSON.parse(json))));
  });
});

describe("dropNulls", () => {
  it("removes null members at any depth and leaves null elements", () => {
    assert.deepEqual(dropNulls({ a: null, b: { c: null, d: [{ e: null }, null] } }), { b: { d: [{}, null] } });
  });
});
