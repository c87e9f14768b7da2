/** What `kumite logs` shows of a running container, of one that failed, and of one that ended in order. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, describe, it } from "node:test";
import { shell } from "../support/bundle.ts";
import { describe as show } from "../support/command.ts";
import { eventually } from "../support/eventually.ts";
import { guardAgainstLeftOvers } from "../support/left-overs.ts";
import { processOf } from "../support/sandbox.ts";
import { onlyKumite, Workplace } from "../support/workplace.ts";

interface Line {
  readonly time: string;
  readonly source: string;
  readonly text: string;
}

describe("the logs of a container", onlyKumite, () => {
  let place: Workplace;
  before(async () => {
    place = await Workplace.open("logs");
  });
  after(() => place[Symbol.asyncDispose]());
  guardAgainstLeftOvers(() => ({ directories: [place.root] }));

  async function linesOf(id: string, ...flags: string[]): Promise<Line[]> {
    const { stdout } = await place.must(["logs", "--json", ...flags, id]);
    return stdout
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as Line);
  }

  it("exist while it runs, after its VM died, and after it was deleted", async () => {
    const bundle = await place.bundle(shell("echo to the program; while :; do sleep 1; done"));
    const id = await place.runDetached(bundle);
    // The guest's messages arrive separately: none may arrive while the logs are compared.
    const { lines, agent, last } = await eventually("all that is said of the start", async () => {
      const lines = await linesOf(id);
      const [agent, last] = [await linesOf(id, "--source", "agent"), await linesOf(id, "--tail", "1")];
      const isWhole = lines.some(({ text }) => text.includes("sandbox created"));
      return isWhole && (await linesOf(id)).length === lines.length ? { lines, agent, last } : undefined;
    });
    assert.deepEqual(
      lines.map(({ time }) => time),
      lines.map(({ time }) => time).sort(),
    );
    assert.ok(lines.some(({ source, text }) => source === "agent" && text.includes("sandbox created")));
    assert.ok(lines.some(({ source, text }) => source === "shim" && text.includes("container created")));
    assert.ok(!lines.some(({ text }) => text.includes("to the program")));
    assert.deepEqual(
      agent,
      lines.filter(({ source }) => source === "agent"),
    );
    assert.deepEqual(last, lines.slice(-1));

    process.kill(await processOf(id, "qemu"), "SIGKILL");
    await place.untilStatus(id, "stopped");
    await place.must(["delete", id]);
    const kept = await place.must(["logs", id]);
    assert.match(kept.stderr, / has been gone since \S+Z: qemu was killed by signal 9\n$/);
    assert.match(kept.stdout, /^\S+Z shim {4}level=error .*is unknown/m);
    assert.match(kept.stdout, /^\S+Z agent .*sandbox created/m);
  });

  it("are removed with a container that ended in order; a time-line of its start can stay", async () => {
    const id = place.newId();
    const picture = place.path("start.svg");
    const bundle = await place.bundle(shell("echo out; echo err >&2"));
    const flags = ["--timeline", "--timeline-file", picture];
    const { stdout, stderr } = await place.must(["run", ...flags, "--bundle", bundle.directory, id]);
    assert.equal(stdout, "out\n");
    const tracks = new Set([...stderr.matchAll(/^(\w+) +.* +\d+ ms \|[ #]{40}\|$/gm)].map(([, track]) => track));
    assert.deepEqual([...tracks].sort(), ["VM", "files", "guest", "kumite", "shim"]);
    assert.match(stderr, /^err\nkumite/, "after the program's own");
    assert.match(
      await readFile(picture, "utf8"),
      /^<svg [\s\S]*the kernel boots, until its first program[\s\S]*<\/svg>\n$/,
    );
    const refused = await place.runtime(["run", "--timeline-file", "start.png", "--bundle", bundle.directory, id]);
    assert.match(refused.stderr, /start\.png: the name must end in \.svg or \.html/);
    const finished = await place.runtime(["logs", id]);
    assert.equal(finished.status, 1, show(finished));
    assert.match(finished.stderr, /does not exist/);
  });
});
