import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { delay, linked, onAbort, raceAbort } from "./abort.ts";
import { KumiteError } from "./errors.ts";

describe("waiting with a signal", () => {
  it("returns the promise's value or error if nothing aborts", async () => {
    const { signal } = new AbortController();
    assert.equal(await raceAbort(Promise.resolve(7), signal), 7);
    await assert.rejects(raceAbort(Promise.reject(new Error("no")), signal), /^Error: no$/);
  });

  it("ends with the signal's own reason when that is one of our errors", async () => {
    const controller = new AbortController();
    const reason = new KumiteError("timeout", "too slow");
    const waiting = raceAbort(new Promise(() => {}), controller.signal);
    controller.abort(reason);
    await assert.rejects(waiting, (error) => error === reason);
  });

  it("ends with code aborted and the reason as cause when it is anything else", async () => {
    const reason = new Error("the user left");
    const signal = AbortSignal.abort(reason);
    await assert.rejects(raceAbort(new Promise(() => {}), signal), { code: "aborted", cause: reason });
    await assert.rejects(delay(60_000, signal), { code: "aborted" });
  });

  it("leaves no listener", async () => {
    const { signal, listeners } = countingSignal();
    await raceAbort(Promise.resolve(), signal);
    await delay(0, signal);
    await raceAbort(Promise.reject(new Error()), signal).catch(() => {});
    await Promise.resolve();
    assert.equal(listeners(), 0);
  });

  it("calls back at once for a signal that has aborted already", () => {
    let calls = 0;
    onAbort(AbortSignal.abort(), () => {
      calls += 1;
    });
    assert.equal(calls, 1);
  });
});

describe("a linked controller", () => {
  it("aborts with any parent and with its reason", () => {
    const parents = [new AbortController(), new AbortController()];
    const child = linked(...parents.map(({ signal }) => signal), undefined);
    parents[1]?.abort("why");
    assert.equal(child.signal.aborted, true);
    assert.equal(child.signal.reason, "why");
  });

  it("does not abort its parents, and releases them when unlinked", () => {
    const { signal, listeners } = countingSignal();
    const child = linked(signal);
    assert.equal(listeners(), 1);
    child.unlink();
    assert.equal(listeners(), 0);
    child.abort();
    assert.equal(signal.aborted, false);
  });
});

function countingSignal(): { signal: AbortSignal; listeners: () => number } {
  const { signal } = new AbortController();
  let count = 0;
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  signal.addEventListener = (...args: Parameters<typeof add>) => {
    count += 1;
    add(...args);
  };
  signal.removeEventListener = (...args: Parameters<typeof remove>) => {
    count -= 1;
    remove(...args);
  };
  return { signal, listeners: () => count };
}
