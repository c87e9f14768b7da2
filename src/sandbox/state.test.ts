import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { canMove, type LifeState, type Operation, refusalOf } from "./state.ts";

const states: readonly LifeState[] = ["none", "ready", "running", "paused", "stopped"];

/** As in Kata Containers. */
const moves: Readonly<Record<LifeState, readonly LifeState[]>> = {
  none: ["ready", "stopped"],
  ready: ["running", "stopped"],
  running: ["paused", "stopped"],
  paused: ["running", "stopped"],
  stopped: ["running"],
};

type Row = readonly [operation: Operation, sandbox: readonly LifeState[], container: readonly LifeState[]];

/** As in Kata Containers, except that a container can be started only once, as the OCI specification requires. */
const guards: readonly Row[] = [
  ["start", ["running"], ["ready"]],
  ["exec", ["running"], ["ready", "running"]],
  ["kill", ["ready", "running"], ["ready", "running", "paused"]],
  ["ps", ["running"], ["running"]],
  ["stats", ["running"], states],
  ["update", ["running"], ["running", "ready"]],
  ["pause", ["running"], ["running"]],
  ["resume", ["running"], ["paused"]],
  ["delete", states, ["ready", "stopped"]],
];

describe("the states of sandboxes and containers", () => {
  for (const from of states) {
    for (const to of states) {
      const allowed = from === to || moves[from].includes(to);
      it(`${from} ${allowed ? "can" : "cannot"} become ${to}`, () => assert.equal(canMove(from, to), allowed));
    }
  }

  for (const [operation, sandboxes, containers] of guards) {
    it(`allow ${operation} in a sandbox that is ${sandboxes.join(", ")} with a container that is ${containers.join(", ")}`, () => {
      for (const sandbox of states) {
        for (const container of states) {
          const allowed = sandboxes.includes(sandbox) && containers.includes(container);
          const refusal = refusalOf(operation, sandbox, container);
          assert.equal(refusal === undefined, allowed, `${operation}, ${sandbox}, ${container}: ${refusal}`);
        }
      }
    });
  }

  it("are named in a refusal, the sandbox's first", () => {
    assert.equal(refusalOf("pause", "running", "ready"), "container not running, impossible to pause the container");
    assert.equal(
      refusalOf("kill", "stopped", "stopped"),
      "sandbox not created or running, impossible to signal the container",
    );
    assert.equal(
      refusalOf("kill", "running", "stopped"),
      "container not created, running or paused, impossible to signal the container",
    );
  });
});
