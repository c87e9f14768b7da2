import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { KumiteError } from "./errors.ts";
import { retry } from "./retry.ts";

const soon = { what: "connecting", timeoutMs: 60_000, firstPauseMs: 0, longestPauseMs: 0 };

describe("retrying", () => {
  it("ends with the first attempt that succeeds", async () => {
    let attempts = 0;
    const result = await retry(async () => {
      attempts += 1;
      if (attempts < 3) throw new Error("not yet");
      return attempts;
    }, soon);
    assert.equal(result, 3);
  });

  it("gives up at once on an error that must not be retried, and passes it on unchanged", async () => {
    const fatal = new KumiteError("timeout", "inner");
    let attempts = 0;
    const run = retry(
      async () => {
        attempts += 1;
        throw attempts === 1 ? new Error("harmless") : fatal;
      },
      { ...soon, retryIf: (error) => error !== fatal },
    );
    await assert.rejects(run, (error) => error === fatal);
    assert.equal(attempts, 2);
  });

  it("fails with a timeout that contains the last error", async () => {
    const last = new Error("connection refused");
    const run = retry(() => Promise.reject(last), { ...soon, timeoutMs: 20, firstPauseMs: 1, longestPauseMs: 1 });
    await assert.rejects(run, {
      code: "timeout",
      message: "connecting did not succeed within 20 ms: connection refused",
      cause: last,
    });
  });

  it("limits an attempt that hangs", async () => {
    await assert.rejects(
      retry(() => new Promise(() => {}), { ...soon, timeoutMs: 5 }),
      { code: "timeout" },
    );
  });

  it("stops when the caller aborts, during an attempt or a pause", async () => {
    const during = new AbortController();
    const hanging = retry(() => new Promise(() => during.abort()), { ...soon, signal: during.signal });
    await assert.rejects(hanging, { code: "aborted" });

    const between = new AbortController();
    const pausing = retry(
      () => {
        queueMicrotask(() => between.abort());
        return Promise.reject(new Error("not yet"));
      },
      { ...soon, signal: between.signal, firstPauseMs: 60_000, longestPauseMs: 60_000 },
    );
    await assert.rejects(pausing, { code: "aborted" });
  });
});
