/** pause and resume, and what is possible in between. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, describe, it } from "node:test";
import { shell } from "../support/bundle.ts";
import { describe as show } from "../support/command.ts";
import { eventually } from "../support/eventually.ts";
import { guardAgainstLeftOvers } from "../support/left-overs.ts";
import { Workplace } from "../support/workplace.ts";

const endless = "while :; do sleep 1; done";

describe("a paused container", () => {
  let place: Workplace;
  before(async () => {
    place = await Workplace.open("pause");
  });
  after(() => place[Symbol.asyncDispose]());
  guardAgainstLeftOvers(() => ({ directories: [place.root] }));

  const fails = async (message: RegExp, ...args: string[]): Promise<void> => {
    const finished = await place.runtime(args);
    assert.notEqual(finished.status, 0, show(finished));
    assert.match(finished.stderr, message);
  };

  it("is reported as paused, runs nothing, and continues where it was", async () => {
    const bundle = await place.bundle(shell("trap 'exit 3' TERM; echo ready; while :; do sleep 0.1; done"));
    const id = place.newId();
    const running = place.begin(["run", "--keep", "--bundle", bundle.directory, id]);
    await running.untilOutput("ready");
    await place.must(["pause", id]);
    assert.equal((await place.state(id)).status, "paused");
    assert.match((await place.must(["list"])).stdout, new RegExp(`${id} .*paused`));
    await fails(/cannot exec in a paused container/i, "exec", id, "true");
    await fails(/running|paused/, "start", id);
    await fails(/not stopped|still running|paused/i, "delete", id);
    // The signal is delivered when the container continues.
    await place.must(["kill", id, "TERM"]);
    assert.equal((await place.state(id)).status, "paused");
    await place.must(["resume", id]);
    assert.equal((await running.finished).status, 3);
    await place.untilStatus(id, "stopped");
    await fails(/not paused|not running|paused/, "resume", id);
    await fails(/not running/, "pause", id);
    await place.must(["delete", id]);
  });

  it("is ended by SIGKILL", async () => {
    const id = await place.runDetached(await place.bundle(shell(endless)));
    await place.must(["pause", id]);
    await place.must(["kill", id, "KILL"]);
    await place.untilStatus(id, "stopped");
    await place.must(["delete", id]);
  });

  it("is ended by a forced delete", async () => {
    const id = await place.runDetached(await place.bundle(shell(`sleep 1000 & ${endless}`)));
    await place.must(["pause", id]);
    await place.must(["delete", "--force", id]);
    assert.notEqual((await place.runtime(["state", id])).status, 0);
  });

  it("keeps its other processes, which continue with it", async () => {
    const id = await place.runDetached(await place.bundle(shell(endless)));
    const running = place.begin(["exec", id, "sh", "-c", "echo up; read line; echo got $line"], { stdin: "" });
    await running.untilOutput("up");
    await place.must(["pause", id]);
    running.child.stdin?.end("word\n");
    await place.must(["resume", id]);
    assert.equal((await running.finished).stdout, "up\ngot word\n");
    await place.remove(id);
  });
});

describe("kill --all", () => {
  let place: Workplace;
  before(async () => {
    place = await Workplace.open("kill-all");
  });
  after(() => place[Symbol.asyncDispose]());
  guardAgainstLeftOvers(() => ({ directories: [place.root] }));

  it("reaches every process, and is no error if there is none", async () => {
    const untilKilled = "echo ready >> /marks; while :; do sleep 0.1; done";
    const child = `trap 'echo child >> /marks; exit 0' TERM; ${untilKilled}`;
    // The first process waits for its child, because its own end is the end of all others.
    const first = `trap 'wait $!; echo first >> /marks; exit 0' TERM; ${untilKilled}`;
    const script = `sh -c '${child.replaceAll("'", "'\\''")}' & ${first}`;
    const bundle = await place.bundle(shell(script), (config) => {
      config.root.readonly = false;
    });
    const id = await place.runDetached(bundle);
    const marks = () => readFile(`${bundle.rootfs}/marks`, "utf8").catch(() => "");
    await eventually("both processes have set their traps", async () =>
      (await marks()) === "ready\nready\n" ? true : undefined,
    );
    await place.must(["kill", "--all", id, "TERM"]);
    await place.untilStatus(id, "stopped");
    assert.equal(await marks(), "ready\nready\nchild\nfirst\n");
    await place.must(["kill", "--all", id, "KILL"]);
    await place.must(["delete", id]);
  });
});
