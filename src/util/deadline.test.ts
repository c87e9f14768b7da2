import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { withDeadline } from "./deadline.ts";

describe("work with a deadline", () => {
  it("returns the result of the work", async () => {
    assert.equal(await withDeadline(60_000, "adding", async () => 2 + 2), 4);
  });

  it("fails with a timeout that names the work, even if the work ignores its signal", async () => {
    await assert.rejects(
      withDeadline(1, "waiting for nothing", () => new Promise(() => {})),
      { code: "timeout", message: "waiting for nothing took longer than 1 ms", data: { timeoutMs: 1 } },
    );
  });

  it("prefers its timeout to the error that the work throws because of the abort", async () => {
    const work = (signal: AbortSignal): Promise<never> =>
      new Promise((_resolve, reject) => {
        signal.addEventListener("abort", () => reject(new Error("interrupted")));
      });
    await assert.rejects(withDeadline(1, "work", work), { code: "timeout" });
  });

  it("ends with the parent's abort, and does not begin if the parent has aborted already", async () => {
    const controller = new AbortController();
    const waiting = withDeadline(60_000, "work", () => new Promise(() => {}), controller.signal);
    controller.abort();
    await assert.rejects(waiting, { code: "aborted" });
    let begun = false;
    const late = withDeadline(
      60_000,
      "work",
      async () => {
        begun = true;
      },
      controller.signal,
    );
    await assert.rejects(late, { code: "aborted" });
    assert.equal(begun, false);
  });

  it("asks for more time when its own is over, and ends when there is no more or nobody knows", async () => {
    const controller = new AbortController();
    const given = [1, 2, 0];
    const waiting = withDeadline(
      1,
      "work",
      () => new Promise(() => {}),
      undefined,
      async () => given.shift() ?? 0,
    );
    await assert.rejects(waiting, { code: "timeout", message: "work took longer than 1 ms" });
    assert.deepEqual(given, []);
    const failing = withDeadline(
      1,
      "work",
      () => new Promise(() => {}),
      controller.signal,
      () => Promise.reject(new Error()),
    );
    await assert.rejects(failing, { code: "timeout" });
  });

  it("does not end when the work ends while more time is being asked for", async () => {
    let done: (value: string) => void = () => {};
    const work = () =>
      new Promise<string>((resolve) => {
        done = resolve;
      });
    const extend = async (): Promise<number> => {
      done("in time");
      return 0;
    };
    assert.equal(await withDeadline(1, "work", work, undefined, extend), "in time");
  });

  it("may be longer than any timer", async () => {
    const slow = () => new Promise<number>((resolve) => setTimeout(() => resolve(1), 5));
    assert.equal(await withDeadline(Number.POSITIVE_INFINITY, "work", slow), 1);
  });

  it("fails like work that throws before its first await", async () => {
    const work = (): Promise<never> => {
      throw new Error("at once");
    };
    await assert.rejects(withDeadline(60_000, "work", work), /at once/);
  });
});
