/** Limits that are reached: processes and memory. container-facts tests that they are visible inside. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type Patch, shell } from "../support/bundle.ts";
import { describe as show } from "../support/command.ts";
import { guardAgainstLeftOvers } from "../support/left-overs.ts";
import { Workplace } from "../support/workplace.ts";

const limited =
  (resources: Record<string, unknown>): Patch =>
  (config) => {
    config.linux.resources = { ...config.linux.resources, ...resources };
  };

const eater = 'BEGIN { s = "0123456789abcdef"; while (1) s = s s }';

describe("a limit", () => {
  let place: Workplace;
  before(async () => {
    place = await Workplace.open("limits");
  });
  after(() => place[Symbol.asyncDispose]());
  guardAgainstLeftOvers(() => ({ directories: [place.root] }));

  it("of processes prevents the container from creating more", async () => {
    const script = "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 1000 & done; sleep 0.1; echo survived";
    const finished = await place.run(await place.bundle(shell(script), limited({ pids: { limit: 6 } })));
    assert.match(finished.stderr, /fork/, show(finished));
  });

  it("of memory kills the process that exceeds it, and no other", async () => {
    // A string that doubles is memory of the process itself, unlike a file in a tmpfs.
    const script = `awk '${eater}'; echo status $?`;
    const finished = await place.run(
      await place.bundle(shell(script), limited({ memory: { limit: 32 * 1024 * 1024, swap: 32 * 1024 * 1024 } })),
    );
    assert.match(finished.stdout, /status 137/, show(finished));
  });

  it("of memory ends a container with 137 when its only process exceeds it", async () => {
    const bundle = await place.bundle(
      limited({ memory: { limit: 32 * 1024 * 1024, swap: 32 * 1024 * 1024 } }),
      (config) => {
        config.process.args = ["/bin/awk", eater];
      },
    );
    const finished = await place.run(bundle);
    assert.equal(finished.status, 137, show(finished));
  });
});
