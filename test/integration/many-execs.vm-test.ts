/**
 * Many processes in one container, one after another and at once: what they leave, and how a misbehaving one affects
 * the others. `KUMITE_MANY_EXECS` sets their number; the default takes less than a minute.
 */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { privateDirtyMiB } from "../../bench/process-cost.ts";
import { shell } from "../support/bundle.ts";
import { begin, type Finished, describe as show } from "../support/command.ts";
import { eventually, within } from "../support/eventually.ts";
import { type Footprint, footprint, growth, seesTheAgent } from "../support/footprint.ts";
import { expectNothingNew, guardAgainstLeftOvers, lookAtMachine, type Machine } from "../support/left-overs.ts";
import { processOf, sandboxProcesses } from "../support/sandbox.ts";
import { onlyKumite, Workplace } from "../support/workplace.ts";

const many = Number(process.env.KUMITE_MANY_EXECS ?? 200);
/** In KiB. The shim collects its garbage when idle, so only a large leak shows here; the others use little memory. */
const tolerated = (name: string): number => (name === "shim KiB" ? 16 * 1024 : 512);
/**
 * Private memory after any number of execs. Without the collection when idle, it has five MiB more after two hundred.
 */
const restingShimMiB = 16;
/** Of each kind, before the first measurement: the agent stops growing after some fifty processes. */
const warmUp = 15;

describe("many execs", onlyKumite, () => {
  let place: Workplace;
  let start: Machine;
  let id: string;

  before(async () => {
    place = await Workplace.open("many");
    start = lookAtMachine({ directories: [place.root] });
    id = await place.runDetached(await place.bundle(shell("while :; do sleep 1000 & wait; done"), seesTheAgent));
  });
  after(async () => {
    await place[Symbol.asyncDispose]();
    await expectNothingNew(start, { directories: [place.root] });
  });
  guardAgainstLeftOvers(() => ({ directories: [place.root] }));

  const sh = (script: string): string[] => ["exec", id, "sh", "-c", script];
  /** The helper process and the last descriptors of what has ended may take a moment to go. */
  const expectNoGrowth = async (since: Footprint): Promise<void> => {
    let grown: string[] = [];
    const isAtRest = async () => {
      grown = growth(since, await footprint(place, id), tolerated);
      return grown.length === 0 ? true : undefined;
    };
    await eventually("a footprint as before", isAtRest).catch((cause: unknown) => {
      throw new Error(`has grown: ${grown.join(", ")}`, { cause });
    });
  };

  /** Used in turn; each checks its own output. */
  const kinds: readonly (() => Promise<void>)[] = [
    async () => expect(await place.runtime(["exec", id, "true"]), 0, ""),
    async () => expect(await place.runtime(["exec", id, "cat"], { stdin: "word" }), 0, "word"),
    async () => expect(await place.runtime(sh("seq 3000; exit 7")), 7, lines(3000)),
    async () => assert.notEqual((await place.runtime(["exec", id, "no-such-program"])).status, 0),
    async () => expect(await place.runtime(sh("echo gone; kill -9 $$")), 137, "gone\n"),
    // The child outlives its parent, so the guest's process 1 has to reap it.
    async () => expect(await place.runtime(sh("(sleep 0.05; exit 3) >/dev/null 2>&1 & echo left")), 0, "left\n"),
  ];

  it(`${many} in a row leave no process, zombie, descriptor or memory on either side`, async () => {
    const run = (round: number): Promise<void> => (kinds[round % kinds.length] ?? assert.fail)();
    for (let round = 0; round < warmUp * kinds.length; round++) await run(round);
    const atRest = await footprint(place, id);
    for (let round = 0; round < many; round++) await run(round);
    await expectNoGrowth(atRest);
  });

  it("leave no memory in use in the shim once it is idle", async () => {
    const shim = await processOf(id, "shim");
    await eventually("a shim as small as before", () => (privateDirtyMiB(shim) <= restingShimMiB ? true : undefined));
  });

  it("of which one has a reader that does not read delay neither the others nor the container", async () => {
    const before = await footprint(place, id);
    const slow = place.begin(sh("yes"));
    slow.child.stdout?.pause();
    // The writer waits when every buffer on the way is full.
    await eventually("the writer waits", async () =>
      (await place.runtime(sh("cat /proc/$(pidof yes)/wchan"))).stdout.includes("pipe") ? true : undefined,
    );
    expect(await place.runtime(sh("seq 50000")), 0, lines(50000));
    assert.equal((await place.state(id)).status, "running");
    const agentKiB = Number((await place.must(sh("awk '/^VmRSS/ { print $2 }' /proc/1/status"))).stdout);
    assert.ok(agentKiB < (before["agent KiB"] ?? 0) + 512, `the agent holds ${agentKiB} KiB for a reader that is slow`);
    await place.must(sh("kill -9 $(pidof yes)"));
    slow.child.stdout?.resume();
    const finished = await slow.finished;
    assert.equal(finished.status, 137);
    assert.match(finished.stdout.slice(0, 100), /^(y\n)+$/);
    await expectNoGrowth(before);
  });

  it("of which one has lost its reader end as with any pipe", async () => {
    const before = await footprint(place, id);
    const gone = place.begin(sh("yes; echo $? >&2"));
    gone.child.stdout?.once("data", () => gone.child.stdout?.destroy());
    const finished = await gone.finished;
    assert.equal(finished.stderr, "141\n", show({ ...finished, stdout: "" }));
    await expectNoGrowth(before);
  });

  it("at once are ended one by one, and the others continue", async () => {
    const before = await footprint(place, id);
    const names = ["one", "two", "three", "four"];
    const running = names.map((name) => place.begin(sh(`echo ${name}; read line; echo got $line`), { stdin: "" }));
    await Promise.all(running.map((process, index) => process.untilOutput(names[index] ?? "")));
    const [first, second, third, fourth] = running;
    assert.ok(first && second && third && fourth);
    process.kill(first.pid, "SIGKILL");
    process.kill(second.pid, "SIGTERM");
    await Promise.all([first.finished, second.finished]);
    for (const still of [third, fourth]) still.child.stdin?.end("it\n");
    for (const finished of await Promise.all([third.finished, fourth.finished])) {
      assert.match(finished.stdout, /\ngot it\n$/, show(finished));
    }
    assert.equal((await place.state(id)).status, "running");
    await expectNoGrowth(before);
  });

  it("leave their output complete, even if nobody reads it before they have ended", async () => {
    const before = await footprint(place, id);
    const script = `exec "$@" | (sleep 1; cat)`;
    const late = begin(["sh", "-c", script, "sh", ...place.argv(...sh("seq 20000"))]);
    assert.equal((await late.finished).stdout, lines(20000));
    await expectNoGrowth(before);
  });

  it("end with their container, even those whose output nobody reads", async () => {
    const other = await place.runDetached(await place.bundle(shell("while :; do sleep 1000 & wait; done")));
    const running = ["sleep 1000", "yes", "cat"].map((script) =>
      place.begin(["exec", other, "sh", "-c", script], { stdin: "" }),
    );
    for (const { child } of running) child.stdout?.pause();
    await eventually("their relays", () =>
      (sandboxProcesses(other).get("relay")?.length ?? 0) === 4 ? true : undefined,
    );
    await place.must(["delete", "--force", other]);
    for (const { child } of running) child.stdout?.resume();
    for (const finished of await within("their ends", 60_000, Promise.all(running.map((each) => each.finished)))) {
      assert.notEqual(finished.status, 0);
    }
  });
});

function lines(count: number): string {
  return Array.from({ length: count }, (_, index) => `${index + 1}\n`).join("");
}

function expect(finished: Finished, status: number, stdout: string): void {
  assert.equal(finished.status, status, show({ ...finished, stdout: finished.stdout.slice(0, 200) }));
  assert.ok(finished.stdout === stdout, `${finished.stdout.length} instead of ${stdout.length} bytes`);
}
