/**
 * Every process is killed at every durable write of every verb: state and list are correct, and a removal leaves
 * nothing. `npm run crash-walk` kills each process at each place; by default one of them is killed at each place, in
 * turn.
 */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type StepKind, stepKinds } from "../../src/persist/step.ts";
import { shell } from "../support/bundle.ts";
import { guardAgainstLeftOvers } from "../support/left-overs.ts";
import { onlyKumite, Workplace } from "../support/workplace.ts";
import { type Victim, walkedVerbs } from "./subject.ts";
import { atRest, type Place, Walk } from "./walk.ts";

const full = process.env.KUMITE_CRASH_WALK === "full";

describe("a sandbox that loses a process", onlyKumite, () => {
  let place: Workplace;
  let walk: Walk;
  const met = new Set<StepKind>();
  let turn = 0;

  before(async () => {
    place = await Workplace.withoutMachine("walk");
    walk = new Walk(place, await place.bundle(shell("while :; do sleep 1000; done")));
  });
  after(() => place[Symbol.asyncDispose]());
  guardAgainstLeftOvers(() => ({ directories: [place.root] }));

  for (const verb of walkedVerbs) {
    it(`at any write of ${verb} reports its true state, and can be removed completely`, async (test) => {
      const places = await walk.placesOf(verb);
      assert.ok(places.length > 0);
      for (const at of places) {
        for (const kind of at.kinds) met.add(kind);
        for (const victim of chosen(at)) {
          const cleanUp = turn++ % 2 === 0 ? "recover" : "delete --force";
          const name = `${victim} at ${at.label}${at.occurrence > 0 ? ` (${at.occurrence})` : ""}, then ${cleanUp}`;
          await test.test(name, () => walk.killAt(verb, at, victim, cleanUp));
        }
      }
    });
  }

  it("is killed at every kind of step that the journal knows", () => {
    assert.deepEqual([...met].sort(), [...stepKinds].sort());
  });

  /** All of them where a crash is most likely, and where an engine has just been promised a status. */
  function chosen({ label, victims }: Place): readonly Victim[] {
    if (full || label === atRest || label.startsWith("pid file")) return victims;
    const victim = victims[turn % victims.length];
    return victim === undefined ? [] : [victim];
  }
});
