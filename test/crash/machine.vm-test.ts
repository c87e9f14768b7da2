/**
 * The crash walk with a real machine, at a sample of its places: where the processes of the machine have just come to be,
 * and where the container is ready. Everything else about a crash is walked without a machine (`walk.vm-test.ts`).
 */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { shell } from "../support/bundle.ts";
import { guardAgainstLeftOvers } from "../support/left-overs.ts";
import { onlyKumite, Workplace } from "../support/workplace.ts";
import type { Victim } from "./subject.ts";
import { Walk } from "./walk.ts";

describe("a machine that loses a process", onlyKumite, () => {
  let place: Workplace;
  before(async () => {
    place = await Workplace.open("machine");
  });
  after(() => place[Symbol.asyncDispose]());
  guardAgainstLeftOvers(() => ({ directories: [place.root] }));

  it("while it is made is removed without a rest", async (test) => {
    const walk = new Walk(place, await place.bundle(shell("while :; do sleep 1000; done")));
    const places = await walk.placesOf("create");
    const wanted: readonly (readonly [label: RegExp, victim: Victim])[] = [
      [/^journal: made virtiofsd, after$/, "shim"],
      [/^journal: made qemu, before$/, "qemu"],
      [/^journal: made qemu, after$/, "virtiofsd"],
      [/^state: created, before$/, "verb"],
      [/^state: created, after$/, "qemu"],
    ];
    for (const [index, [label, victim]] of wanted.entries()) {
      const at = places.find((one) => label.test(one.label) && one.victims.includes(victim));
      assert.ok(at !== undefined, `${victim} at ${label}: there are ${places.map((one) => one.label).join("; ")}`);
      const cleanUp = index % 2 === 0 ? "recover" : "delete --force";
      await test.test(`${victim} at ${at.label}, then ${cleanUp}`, () => walk.killAt("create", at, victim, cleanUp));
    }
  });
});
