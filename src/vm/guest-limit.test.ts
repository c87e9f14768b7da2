import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { testOs } from "../../test/support/node-os.ts";
import type { Os } from "../sys/os.ts";
import { unlimited } from "../util/abort.ts";
import { deferred } from "../util/deferred.ts";
import { isKumiteError, KumiteError } from "../util/errors.ts";
import { timeLeftMs, withGuestLimit } from "./guest-limit.ts";

const limit = { what: "the answer", timeoutMs: 20, pid: 7 };
const never = () => new Promise<never>(() => {});

/**
 * A host whose clock only advances when it is asked for a VMM's waits: by the limit each time. The VMM has one thread.
 * @param waitedMs its waits when they are read for the nth time
 */
function osWith(waitedMs: (reading: number) => number): Os {
  const os = testOs();
  let readings = 0;
  const readText = async () => {
    readings += 1;
    return `0 ${waitedMs(readings) * 1e6} 1\n`;
  };
  const monotonic = () => readings * limit.timeoutMs;
  return { ...os, clock: { ...os.clock, monotonic }, files: { ...os.files, list: async () => ["7"], readText } };
}

describe("a time limit for a guest", () => {
  it("does not count the time in which the VM waited for a processor", () => {
    assert.equal(timeLeftMs({ timeoutMs: 45_000, elapsedMs: 45_000, waitedMs: 40_000 }), 40_000);
    assert.equal(timeLeftMs({ timeoutMs: 45_000, elapsedMs: 60_000, waitedMs: 20_000 }), 5_000);
    assert.equal(timeLeftMs({ timeoutMs: 45_000, elapsedMs: 60_000, waitedMs: 15_000 }), 0);
    // The VMM has waited before the work began.
    assert.equal(timeLeftMs({ timeoutMs: 45_000, elapsedMs: 50_000, waitedMs: 51_000 }), 45_000);
  });

  it("ends at six times the limit, however busy the host is", () => {
    assert.equal(timeLeftMs({ timeoutMs: 45_000, elapsedMs: 260_000, waitedMs: 250_000 }), 10_000);
    assert.equal(timeLeftMs({ timeoutMs: 45_000, elapsedMs: 270_000, waitedMs: 269_000 }), 0);
  });

  it("lets a guest that has had no processor answer later", async () => {
    const answer = deferred<string>();
    // The VM has never had a processor. It answers when the limit has passed twice.
    const os = osWith((reading) => {
      if (reading === 2) answer.resolve("late");
      return reading * limit.timeoutMs;
    });
    assert.equal(await withGuestLimit(os, limit, () => answer.promise, unlimited()), "late");
  });

  it("is reached by a guest that had a processor all the time, and says so", async () => {
    const signals: AbortSignal[] = [];
    const work = (signal: AbortSignal) => {
      signals.push(signal);
      return never();
    };
    await assert.rejects(
      withGuestLimit(
        osWith(() => 0),
        limit,
        work,
        unlimited(),
      ),
      (error) => isKumiteError(error, "timeout") && error.message === "the answer took longer than 20 ms",
    );
    assert.equal(signals[0]?.aborted, true);
  });

  it("is reached by a guest that hangs on a busy host", async () => {
    let last = 0;
    const os = osWith((reading) => {
      last = reading;
      return reading * limit.timeoutMs;
    });
    await assert.rejects(withGuestLimit(os, limit, never, unlimited()), /took longer than 20 ms/);
    assert.equal(last, 6);
  });

  it("ends with its parent, whose reason is the error", async () => {
    const parent = new AbortController();
    const over = withGuestLimit(
      osWith(() => 0),
      { ...limit, timeoutMs: 1e9 },
      never,
      parent.signal,
    );
    parent.abort(new KumiteError("aborted", "the caller has left"));
    await assert.rejects(over, /the caller has left/);
  });
});
