/**
 * The crash walk with a real VM: QEMU and virtiofsd are killed too. `npm run crash-walk` kills every process at every
 * place of every verb, which takes some minutes; by default each commit tests a different small sample.
 * `walk.vm-test.ts` tests without a VM, at every place each time, what does not depend on one.
 */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type StepKind, stepKinds } from "../../src/persist/step.ts";
import { shell } from "../support/bundle.ts";
import { guardAgainstLeftOvers } from "../support/left-overs.ts";
import { onlyKumite, Workplace } from "../support/workplace.ts";
import { sample, sampleSeed } from "./sample.ts";
import { type Victim, type WalkedVerb, walkedVerbs } from "./subject.ts";
import { type CleanUp, type Place, Walk } from "./walk.ts";

const full = process.env.KUMITE_CRASH_WALK === "full";
/** The sample's size: cuts of a create, which starts the VM, and of one other verb. */
const [cutsOfCreate, cutsOfOther] = [4, 2];

interface Cut {
  readonly at: Place;
  readonly victim: Victim;
  readonly cleanUp: CleanUp;
}

describe("a VM that loses a process", onlyKumite, () => {
  const seed = sampleSeed();
  const met = new Set<StepKind>();
  let place: Workplace;
  let walk: Walk;

  before(async () => {
    place = await Workplace.open("machine");
    walk = new Walk(place, await place.bundle(shell("while :; do sleep 1000; done")));
    if (!full) process.stdout.write(`crash walk with a machine: the sample of KUMITE_TEST_SEED=${seed}\n`);
  });
  after(() => place[Symbol.asyncDispose]());
  guardAgainstLeftOvers(() => ({ directories: [place.root] }));

  for (const verb of walkedVerbs.filter((verb) => countFor(verb) > 0)) {
    it(`at any write of ${verb} reports its true state, and can be removed completely`, async (test) => {
      const places = await walk.placesOf(verb);
      for (const { kinds } of places) for (const kind of kinds) met.add(kind);
      const cuts = places.flatMap((at) => at.victims.map((victim) => ({ at, victim }))).map(withCleanUp);
      assert.ok(cuts.length > 0);
      for (const { at, victim, cleanUp } of sample(cuts, countFor(verb), seed)) {
        const name = `${victim} at ${at.label}${at.occurrence > 0 ? ` (${at.occurrence})` : ""}, then ${cleanUp}`;
        await test.test(name, () => walk.killAt(verb, at, victim, cleanUp));
      }
    });
  }

  it("is killed at every kind of step that the journal knows", () => {
    assert.deepEqual([...met].sort(), [...stepKinds].sort());
  });

  function withCleanUp(cut: Omit<Cut, "cleanUp">, index: number): Cut {
    return { ...cut, cleanUp: index % 2 === 0 ? "recover" : "delete --force" };
  }

  function countFor(verb: WalkedVerb): number {
    if (full) return Number.POSITIVE_INFINITY;
    if (verb === "create") return cutsOfCreate;
    const [other] = sample(
      walkedVerbs.filter((one) => one !== "create"),
      1,
      seed,
    );
    return verb === other ? cutsOfOther : 0;
  }
});
