import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { deferred } from "../util/deferred.ts";
import { KumiteError } from "../util/errors.ts";
import { type EventSource, followEvents } from "./follow-events.ts";

const hourMs = 3_600_000;

/** A source that never reports anything except what the test gives it. */
function silent(changes: Partial<EventSource>): EventSource {
  const never = (): Promise<never> => new Promise(() => {});
  return { awaitOom: never, printOom: async () => {}, printStats: async () => {}, ends: [], ...changes };
}

describe("the events of a container", () => {
  it("end with the container, whoever reports its end", async () => {
    const gone = new KumiteError("shim/unreachable", "it is gone");
    for (const end of [async () => {}, () => Promise.reject(gone)]) {
      await followEvents(silent({ ends: [new Promise(() => {}), end()] }), hourMs, 1);
    }
    await followEvents(silent({ awaitOom: async (seen) => ({ count: seen ?? 0n, ended: true }) }), hourMs);
    await followEvents(silent({ awaitOom: () => Promise.reject(new KumiteError("container/not-found", "")) }), hourMs);
    await followEvents(
      silent({ printStats: () => Promise.reject(new KumiteError("container/wrong-state", "")) }),
      1,
      1,
    );
  });

  it("end when it ends between the first request and the one that waits", async () => {
    const end = deferred();
    let asked = 0;
    const awaitOom: EventSource["awaitOom"] = (seen) => {
      asked += 1;
      if (seen !== undefined) return new Promise(() => {});
      end.resolve();
      return Promise.resolve({ count: 0n, ended: false });
    };
    await followEvents(silent({ awaitOom, ends: [end.promise] }), hourMs, 1);
    assert.equal(asked, 2);
  });

  it("include the lack of memory that ended it, even if the end is reported first", async () => {
    const last = deferred<{ count: bigint; ended: boolean }>();
    let printed = 0;
    const source = silent({
      awaitOom: (seen) => (seen === undefined ? Promise.resolve({ count: 3n, ended: false }) : last.promise),
      printOom: async () => void printed++,
      ends: [Promise.resolve().then(() => queueMicrotask(() => last.resolve({ count: 5n, ended: true })))],
    });
    await followEvents(source, hourMs);
    assert.equal(printed, 2);
  });

  it("fail with errors other than the end", async () => {
    const broken = new KumiteError("protocol/violation", "nonsense");
    await assert.rejects(followEvents(silent({ awaitOom: () => Promise.reject(broken) }), hourMs), broken);
    await assert.rejects(followEvents(silent({ printStats: () => Promise.reject(broken) }), 1), broken);
  });
});
