/** Input and output of a foreground container, and its exit status. */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { shell } from "../support/bundle.ts";
import { begin, execute, describe as show, succeed } from "../support/command.ts";
import { eventually } from "../support/eventually.ts";
import { guardAgainstLeftOvers } from "../support/left-overs.ts";
import { isKumite, onlyKumite, Workplace } from "../support/workplace.ts";

describe("a foreground run", () => {
  let place: Workplace;
  before(async () => {
    place = await Workplace.open("streams");
  });
  after(() => place[Symbol.asyncDispose]());
  guardAgainstLeftOvers(() => ({ directories: [place.root] }));

  it("passes output, errors and the exit status separately", async () => {
    const finished = await place.run(await place.bundle(shell("echo out; echo err >&2; exit 42")));
    assert.equal(finished.stdout, "out\n");
    assert.equal(finished.stderr, "err\n");
    assert.equal(finished.status, 42);
  });

  it("passes all of its input and the end of it", async () => {
    const bytes = randomBytes(3 * 1024 * 1024 + 17);
    const finished = await place.run(await place.bundle(shell("sha256sum; echo after the end")), { stdin: bytes });
    assert.equal(finished.stdout, `${createHash("sha256").update(bytes).digest("hex")}  -\nafter the end\n`);
  });

  it("passes large output completely", async () => {
    const amount = 16 * 1024 * 1024 + 3;
    const bundle = await place.bundle(shell(`head -c ${amount} /dev/zero | tr '\\0' x; echo -n y`));
    const finished = await place.run(bundle);
    assert.equal(finished.status, 0, finished.stderr);
    assert.equal(finished.stdoutBytes.length, amount + 1);
    assert.equal(finished.stdoutBytes.at(-1), "y".charCodeAt(0));
    assert.ok(finished.stdoutBytes.subarray(0, amount).every((byte) => byte === "x".charCodeAt(0)));
  });

  it("passes output that nobody had begun to read when the program ended", async () => {
    // More than a pipe holds, so that some of it is still in the guest.
    const amount = 200_000;
    const bundle = await place.bundle(shell(`head -c ${amount} /dev/zero | tr '\\0' x; echo -n y; echo over > /over`));
    const go = place.path("go");
    await succeed(["mkfifo", go]);
    // The reader reads nothing before it is told to. The status is the reader's.
    const script = `"$@" | { read _ <"$0"; cat; }`;
    const argv = place.argv("run", "--bundle", bundle.directory, place.newId());
    const running = begin(["sh", "-c", script, go, ...argv]);
    const over = path.join(bundle.rootfs, "over");
    await eventually("the program's end", () => (existsSync(over) ? true : undefined));
    await writeFile(go, "\n");
    const { stdout } = await running.finished;
    assert.equal(stdout, `${"x".repeat(amount)}y`);
  });

  it("passes bytes unchanged to the container and back, in blocks of any size", async () => {
    const bytes = randomBytes(4 * 1024 * 1024 + 5);
    for (const copy of ["cat", "dd bs=777 2>/dev/null", "dd bs=64k 2>/dev/null | tee /dev/stderr"]) {
      const finished = await place.run(await place.bundle(shell(copy)), { stdin: bytes });
      assert.equal(finished.status, 0, copy);
      assert.ok(finished.stdoutBytes.equals(bytes), `${copy}: ${finished.stdoutBytes.length} bytes`);
    }
  });

  it("passes the highest exit status", async () => {
    assert.equal((await place.run(await place.bundle(shell("exit 255")))).status, 255);
  });

  it("works with closed input and with output to nowhere", async () => {
    const bundle = await place.bundle(shell("cat; echo lost; exit 7"));
    const { status } = await execute([
      "sh",
      "-c",
      'exec "$@" <&- >/dev/null',
      "sh",
      ...place.argv("run", "--bundle", bundle.directory, place.newId()),
    ]);
    assert.equal(status, 7);
  });

  it("writes the container's output to a regular file", async () => {
    const bundle = await place.bundle(shell("echo one; echo two"));
    const file = place.path("output");
    const into = ["sh", "-c", 'exec "$@" >"$0"', file];
    assert.equal(
      (await execute([...into, ...place.argv("run", "--bundle", bundle.directory, place.newId())])).status,
      0,
    );
    assert.equal((await execute(["cat", file])).stdout, "one\ntwo\n");
  });

  it("ends by SIGTERM to the verb when the container ends by it", async () => {
    const bundle = await place.bundle(shell("trap 'echo asked; exit 9' TERM; echo ready; while :; do sleep 0.1; done"));
    const running = place.begin(["run", "--bundle", bundle.directory, place.newId()]);
    await running.untilOutput("ready");
    process.kill(running.pid, "SIGTERM");
    const finished = await running.finished;
    assert.equal(finished.stdout, "ready\nasked\n", show(finished));
    assert.equal(finished.status, 9);
  });

  it("names a command that does not exist, before the container starts", async () => {
    const bundle = await place.bundle((config) => {
      config.process.args = ["no-such-program"];
    });
    const finished = await place.run(bundle);
    assert.notEqual(finished.status, 0);
    assert.match(finished.stderr, /exec: \\?"no-such-program\\?": executable file not found in \$PATH/);
  });

  it("names a command by path that does not exist", async () => {
    const bundle = await place.bundle((config) => {
      config.process.args = ["/nowhere/program"];
    });
    const finished = await place.run(bundle);
    assert.notEqual(finished.status, 0);
    assert.match(finished.stderr, /\/nowhere\/program.*no such file or directory/);
  });

  it("names a command that is not executable", async () => {
    const bundle = await place.bundle((config) => {
      config.process.args = ["/etc/passwd"];
    });
    const finished = await place.run(bundle);
    assert.notEqual(finished.status, 0);
    assert.match(finished.stderr, /\/etc\/passwd.*permission denied/);
  });

  it("removes the container at its end, so that the id is free again", async () => {
    const bundle = await place.bundle(shell("true"));
    const id = place.newId();
    for (let round = 0; round < 2; round++) {
      assert.equal((await place.runtime(["run", "--bundle", bundle.directory, id])).status, 0);
    }
    assert.equal((await place.must(["list", "--quiet"])).stdout.trim(), "");
  });

  it("prints nothing of its own without a terminal", onlyKumite, async () => {
    assert.ok(isKumite);
    const finished = await place.run(await place.bundle(shell("true")));
    assert.deepEqual([finished.stdout, finished.stderr, finished.status], ["", "", 0]);
  });
});
