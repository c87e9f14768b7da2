import assert from "node:assert/strict";
import { constants } from "node:os";
import { describe, it } from "node:test";
import { parseSignal, signalName, signalNumbers } from "./signals.ts";

describe("signals", () => {
  it("have the numbers of this system", () => {
    for (const [name, number] of Object.entries(signalNumbers)) {
      assert.equal(number, constants.signals[name as NodeJS.Signals], name);
      assert.equal(signalName(number), name);
    }
  });

  it("are recognised by name in any case, with or without SIG, and by number", () => {
    for (const text of ["SIGTERM", "TERM", "term", "sigterm", "15"]) assert.equal(parseSignal(text), 15, text);
    assert.equal(parseSignal("POLL"), 29);
    assert.equal(parseSignal("0"), 0);
    assert.equal(parseSignal("64"), 64);
  });

  it("in real time are recognised by their distance from either end", () => {
    assert.equal(parseSignal("RTMIN"), 34);
    assert.equal(parseSignal("SIGRTMIN+3"), 37);
    assert.equal(parseSignal("rtmax-1"), 63);
    assert.equal(signalName(37), "signal 37");
  });

  it("that do not exist are not found", () => {
    for (const text of ["", "SIG", "NOSUCH", "65", "-1", "1x", "RTMIN+31", "RTMAX-31", "RTMIN-1", "toString"]) {
      assert.equal(parseSignal(text), undefined, text);
    }
  });
});
