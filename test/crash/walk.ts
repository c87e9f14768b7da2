/**
 * The crash walk: a first run of a verb records where it and its sandbox make something durable. Then, for each such
 * place and each process that is alive there, another run kills that process. Places are found, not listed: new steps,
 * records and processes are included without any change here.
 */
import assert from "node:assert/strict";
import type { StepKind } from "../../src/persist/step.ts";
import type { Bundle } from "../support/bundle.ts";
import { eventually } from "../support/eventually.ts";
import type { Workplace } from "../support/workplace.ts";
import { Subject, type Victim, type WalkedVerb } from "./subject.ts";
import { changesOf, digestTree } from "./tree-digest.ts";

/** After the verb, when everything that it caused is done. */
export const atRest = "at rest";

export interface Place {
  /** A `DurableWrite.label`, or `at rest`. */
  readonly label: string;
  /** Index among places with the same label, from 0. */
  readonly occurrence: number;
  readonly kinds: readonly StepKind[];
  /** The processes that are alive at this place; the writer is the first. */
  readonly victims: readonly Victim[];
}

export type CleanUp = "delete --force" | "recover";

export class Walk {
  readonly #place: Workplace;
  readonly #bundle: Bundle;

  constructor(place: Workplace, bundle: Bundle) {
    this.#place = place;
    this.#bundle = bundle;
  }

  /** The places of the verb, in order. Kills nothing. */
  async placesOf(verb: WalkedVerb): Promise<Place[]> {
    const places: Place[] = [];
    await using subject = new Subject(this.#place, this.#bundle);
    await subject.prepareFor(verb);
    subject.onWrite = ({ label, kinds }, stop) => {
      const occurrence = places.filter((place) => place.label === label).length;
      const victims = subject.victims();
      const writer = victims.find((victim) => subject.pidOf(victim) === stop.pid);
      const others = victims.filter((victim) => victim !== writer);
      places.push({ label, kinds, occurrence, victims: writer === undefined ? others : [writer, ...others] });
      stop.goOn();
    };
    const run = await subject.run(verb);
    assert.equal(await run.status, 0, run.errors());
    await subject.settled(verb);
    const victims = subject.victims();
    return victims.length === 0 ? places : [...places, { label: atRest, kinds: [], occurrence: 0, victims }];
  }

  /**
   * Runs the verb, kills the victim at this place, and checks what design and documents promise. The caller checks that
   * nothing is left (`guardAgainstLeftOvers`).
   */
  async killAt(verb: WalkedVerb, place: Place, victim: Victim, cleanUp: CleanUp): Promise<void> {
    const treeBefore = await digestTree(this.#bundle.directory);
    {
      await using subject = new Subject(this.#place, this.#bundle);
      await subject.prepareFor(verb);
      let occurrence = 0;
      let reached = false;
      let killed = false;
      subject.onWrite = async ({ label }, stop) => {
        if (!reached && label === place.label && occurrence++ === place.occurrence) {
          reached = true;
          await subject.kill(victim);
          killed = true;
        }
        stop.goOn();
      };
      const run = await subject.run(verb);
      const status = await run.status;
      if (place.label === atRest) {
        assert.equal(status, 0, run.errors());
        await subject.settled(verb);
        await subject.kill(victim);
      } else {
        // The sandbox's own writes may come after the verb has ended.
        await eventually(`"${place.label}" is met`, () => killed || undefined);
      }
      await subject.truth();
      await this.#remove(subject.id, cleanUp);
      assert.equal(await subject.truth(), undefined, "nothing is known of it any more");
      await subject.allReaped();
      await subject.allGone();
    }
    assert.deepEqual(changesOf(treeBefore, await digestTree(this.#bundle.directory)), [], "the bundle is as it was");
  }

  async #remove(id: string, cleanUp: CleanUp): Promise<void> {
    if (cleanUp === "recover") {
      const { stdout } = await this.#place.must(["recover", "--json"]);
      const { living, stopped, failed } = JSON.parse(stdout) as Record<string, readonly string[]>;
      assert.deepEqual(failed, []);
      // A container that stopped in order keeps its id, and a running one is left alone.
      if (stopped?.includes(id)) await this.#place.must(["delete", id]);
      if (!living?.includes(id)) return;
    }
    await this.#place.must(["delete", "--force", id]);
  }
}
