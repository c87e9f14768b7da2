import assert from "node:assert/strict";
import { describe, it, mock } from "node:test";
import { deferred } from "../util/deferred.ts";
import { Rest } from "./rest.ts";

describe("idleness", () => {
  const withTimers =
    (body: (rest: Rest, calls: () => number) => void, again: () => boolean = () => false) =>
    () => {
      mock.timers.enable({ apis: ["setTimeout"] });
      let count = 0;
      const rest = new Rest({
        afterMs: 500,
        act: () => {
          count += 1;
          return again();
        },
      });
      try {
        body(rest, () => count);
      } finally {
        mock.timers.reset();
      }
    };

  it(
    "is reported once, after the whole time without a request",
    withTimers((rest, calls) => {
      mock.timers.tick(10_000);
      assert.equal(calls(), 0, "nothing was asked at all");
      rest.disturbed();
      mock.timers.tick(499);
      rest.disturbed();
      mock.timers.tick(499);
      assert.equal(calls(), 0);
      mock.timers.tick(1);
      assert.equal(calls(), 1);
      mock.timers.tick(10_000);
      assert.equal(calls(), 1);
    }),
  );

  it("is not reported while a request is being handled", async () => {
    mock.timers.enable({ apis: ["setTimeout"] });
    try {
      let calls = 0;
      const rest = new Rest({ afterMs: 500, act: () => ++calls < 0 });
      const work = deferred();
      rest.disturbed();
      const during = rest.during(work.promise);
      rest.disturbed();
      mock.timers.tick(10_000);
      assert.equal(calls, 0);
      work.reject(new Error("it failed"));
      await during;
      mock.timers.tick(499);
      assert.equal(calls, 0);
      mock.timers.tick(1);
      assert.equal(calls, 1);
    } finally {
      mock.timers.reset();
    }
  });

  let wanted = 3;
  it(
    "is reported again as long as there is something to do",
    withTimers(
      (rest, calls) => {
        rest.disturbed();
        for (let time = 0; time < 10; time++) mock.timers.tick(500);
        assert.equal(calls(), 3);
      },
      () => --wanted > 0,
    ),
  );

  it(
    "is not reported after the end",
    withTimers((rest, calls) => {
      rest.disturbed();
      rest.end();
      mock.timers.tick(10_000);
      assert.equal(calls(), 0);
    }),
  );
});
