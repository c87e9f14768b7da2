import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { takesSignal } from "./signal-masks.ts";

const statusOf = (blocked: string, caught: string): string =>
  `Name:\tinit\nSigPnd:\t0000000000004000\nSigBlk:\t${blocked}\nSigIgn:\t0000000000004000\nSigCgt:\t${caught}\n`;
const none = "0000000000000000";
const term = "0000000000004000";

describe("a process takes a signal", () => {
  it("that it has a handler for, or blocks to wait for it", () => {
    assert.equal(takesSignal(statusOf(none, term), ["running\n"], 15), true);
    assert.equal(takesSignal(statusOf("fffffffe3bfa6a07", none), [], 15), true);
    assert.equal(takesSignal(statusOf(none, "0000000100000000"), [], 33), true);
  });

  it("while it waits for signals, which are not blocked then", () => {
    const waiting = "128 0x7ffd10 0x7ffd20 0x4c6d60 0x8 0x0 0x0 0x7ffcf8 0x40b1f2\n";
    assert.equal(takesSignal(statusOf(none, none), ["running\n", waiting], 15), true);
    assert.equal(takesSignal(statusOf(none, none), [waiting, "running\n"], 15), true);
  });

  it("not that it ignores, or does not know", () => {
    assert.equal(takesSignal(statusOf(none, "0000000000008000"), ["230 0x0 0x7ffd\n"], 15), false);
    assert.equal(takesSignal("", [], 15), false);
  });
});
