import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Scope, type UndoFailure } from "./scope.ts";

describe("an undo scope", () => {
  it("undoes the newest step first and runs every step whatever fails", async () => {
    const { scope, failures, order } = setUp();
    scope.add("one", () => void order.push("one"));
    scope.add("two", () => {
      throw new Error("two is stuck");
    });
    scope.add("three", async () => void order.push("three"));
    await scope[Symbol.asyncDispose]();
    assert.deepEqual(order, ["three", "one"]);
    assert.deepEqual(
      failures.map(({ name, error }) => [name, String(error)]),
      [["two", "Error: two is stuck"]],
    );
  });

  it("abandons a step that takes too long and continues with the next", async () => {
    const { scope, order } = setUp(5);
    scope.add("after", () => void order.push("after"));
    scope.add("hanging", () => new Promise(() => {}));
    const failures = await scope.close();
    assert.deepEqual(order, ["after"]);
    assert.equal(failures[0]?.name, "hanging");
    assert.match(String(failures[0]?.error), /undoing hanging took longer than 5 ms/);
  });

  it("undoes nothing after its steps were handed over, and the new owner undoes all", async () => {
    const { scope, order } = setUp();
    scope.add("one", () => void order.push("one"));
    const owner = scope.handOver();
    await scope[Symbol.asyncDispose]();
    assert.deepEqual(order, []);
    await owner.close();
    assert.deepEqual(order, ["one"]);
  });

  it("undoes once however often it is closed", async () => {
    const { scope, order } = setUp();
    scope.add("one", () => void order.push("one"));
    await Promise.all([scope.close(), scope.close()]);
    await scope[Symbol.asyncDispose]();
    assert.deepEqual(order, ["one"]);
  });

  it("refuses a step after it was closed, instead of forgetting it", async () => {
    const { scope } = setUp();
    await scope.close();
    assert.throws(() => scope.add("late", () => {}), { code: "internal", message: /late cannot be registered/ });
  });
});

function setUp(stepTimeoutMs = 60_000) {
  const failures: UndoFailure[] = [];
  const scope = new Scope({ onFailure: (failure) => failures.push(failure), stepTimeoutMs });
  return { scope, failures, order: [] as string[] };
}
