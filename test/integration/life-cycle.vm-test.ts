/** create, start, state, kill, delete and list, as an engine calls them. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { lstat, readdir, readFile, readlink, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { type Bundle, shell } from "../support/bundle.ts";
import { type Finished, describe as show, succeed } from "../support/command.ts";
import { asEngine } from "../support/engine.ts";
import { eventually } from "../support/eventually.ts";
import { guardAgainstLeftOvers } from "../support/left-overs.ts";
import { onlyKumite, Workplace } from "../support/workplace.ts";

const forever = shell("trap 'exit 3' TERM; while :; do sleep 0.1; done");

/** Resolves when the shell has set its trap: SIGTERM (bit 14) is among the signals that the first process catches. */
async function catches(id: string, place: Workplace): Promise<void> {
  const look = ["exec", id, "grep", "-qE", "^SigCgt:.*[4567cdef][0-9a-f]{3}$", "/proc/1/status"];
  await eventually("the trap", async () => ((await place.runtime(look)).status === 0 ? true : undefined));
}

describe("the life cycle of a container", () => {
  let place: Workplace;
  before(async () => {
    place = await Workplace.open("life");
  });
  after(() => place[Symbol.asyncDispose]());
  guardAgainstLeftOvers(() => ({ directories: [place.root] }));

  function refused(finished: Finished, reason: RegExp): void {
    assert.notEqual(finished.status, 0, show(finished));
    assert.match(finished.stderr, reason);
  }

  async function listed(id: string): Promise<boolean> {
    return (await place.must(["list", "--quiet"])).stdout.split("\n").includes(id);
  }

  it("goes from created through running to stopped, and each verb refuses the wrong state", async () => {
    const bundle = await place.bundle(forever);
    const id = place.newId();
    const pidFile = place.path("pid");
    const engine = await asEngine(
      place.argv("create", "--bundle", bundle.directory, "--pid-file", pidFile, id),
      pidFile,
    );
    assert.equal(await engine.verbStatus, 0, engine.errors());

    const created = await place.state(id);
    assert.equal(created.status, "created");
    assert.equal(created.id, id);
    assert.equal(created.bundle, bundle.directory);
    assert.match(created.ociVersion, /^1\.\d+\.\d+/);
    assert.equal(String(created.pid), await readFile(pidFile, "utf8"), "the pid file holds the pid, without a newline");
    refused(await place.runtime(["create", "--bundle", bundle.directory, id]), /already in use|exists/);

    await place.must(["start", id]);
    assert.equal((await place.state(id)).status, "running");
    refused(await place.runtime(["start", id]), /already running|cannot start/);
    refused(await place.runtime(["delete", id]), /not stopped|still running/i);

    const rows = JSON.parse((await place.must(["list", "--format", "json"])).stdout) as {
      id: string;
      status: string;
      pid: number;
    }[];
    const row = rows.find((container) => container.id === id);
    assert.deepEqual([row?.status, row?.pid], ["running", created.pid]);
    assert.ok(await listed(id));
    assert.match(
      (await place.must(["list"])).stdout,
      new RegExp(
        `^ID +PID +STATUS +BUNDLE +CREATED +OWNER\\n(.*\\n)*${id} +${created.pid} +running +${bundle.directory} `,
      ),
    );

    await catches(id, place);
    await place.must(["kill", id, "SIGTERM"]);
    assert.equal(await engine.processStatus, 3, "the process of the pid file ends with the container's status");
    assert.equal((await place.untilStatus(id, "stopped")).id, id);
    refused(await place.runtime(["kill", id, "TERM"]), /container not running/);
    refused(await place.runtime(["start", id]), /stopped/);
    refused(await place.runtime(["exec", id, "true"]), /stopped|not running/);

    await place.must(["delete", id]);
    refused(await place.runtime(["state", id]), /does not exist/);
    refused(await place.runtime(["delete", id]), /does not exist/);
    assert.equal(
      (await place.runtime(["delete", "--force", id])).status,
      0,
      "forced, an unknown container is no error",
    );
  });

  it("ends by a forced delete from every state", async () => {
    const bundle = await place.bundle(forever);
    const created = place.newId();
    const pidFile = place.path("pid");
    const engine = await asEngine(
      place.argv("create", "--bundle", bundle.directory, "--pid-file", pidFile, created),
      pidFile,
    );
    assert.equal(await engine.verbStatus, 0, engine.errors());
    await place.must(["delete", "--force", created]);
    assert.equal(await engine.processStatus, 137, "killed before its start");

    const running = await place.runDetached(bundle);
    await place.must(["delete", "--force", running]);

    const paused = await place.runDetached(bundle);
    await place.must(["pause", paused]);
    await place.must(["delete", "--force", paused]);

    const stopped = await place.runDetached(bundle);
    await place.must(["kill", stopped, "KILL"]);
    await place.untilStatus(stopped, "stopped");
    await place.must(["delete", "--force", stopped]);
    for (const id of [created, running, paused, stopped]) assert.ok(!(await listed(id)));
  });

  it("can use a configuration file outside of the bundle, which exec no longer needs", onlyKumite, async () => {
    const bundle = await place.bundle(forever);
    const config = JSON.parse(await readFile(bundle.configFile, "utf8")) as { process: { env: string[] } };
    config.process.env.push("FROM=elsewhere");
    const elsewhere = place.path("config.json");
    await writeFile(elsewhere, JSON.stringify(config));
    await writeFile(bundle.configFile, "not read");
    const id = place.newId();
    const quiet = ["sh", "-c", 'exec "$@" >/dev/null 2>&1', "sh"];
    const words = place.argv("run", "--detach", "--config", elsewhere, "--bundle", bundle.directory, id);
    await succeed([...quiet, ...words]);
    await rm(elsewhere);
    assert.match((await place.must(["exec", id, "/bin/sh", "-c", "echo $FROM"])).stdout, /^elsewhere$/m);
    const missing = await place.runtime(["exec", id, "no-such-program"]);
    assert.equal(missing.status, 255, show(missing));
    assert.match(missing.stderr, /executable file .*not found|no-such-program/);
    await place.must(["delete", "--force", id]);
  });

  it("includes signals by name, with and without prefix, and by number", async () => {
    const marker =
      "trap 'echo usr1' USR1; trap 'echo usr2' USR2; trap 'echo hup' HUP; trap 'exit 0' INT; echo ready; while :; do sleep 0.05; done";
    const id = place.newId();
    const running = place.begin(["run", "--bundle", (await place.bundle(shell(marker))).directory, id]);
    await running.untilOutput("ready");
    await place.must(["kill", id, "SIGUSR1"]);
    await running.untilOutput("usr1");
    await place.must(["kill", id, "USR2"]);
    await running.untilOutput("usr2");
    await place.must(["kill", id, "1"]);
    await running.untilOutput("hup");
    const bad = await place.runtime(["kill", id, "NOSUCH"]);
    assert.notEqual(bad.status, 0);
    assert.match(bad.stderr, /NOSUCH/);
    await place.must(["kill", id, "INT"]);
    assert.equal((await running.finished).status, 0);
  });

  it("ends with SIGTERM even if the program does not catch it", onlyKumite, async () => {
    const id = place.newId();
    const bundle = await place.bundle((config) => {
      config.process.args = ["/bin/sleep", "1000"];
    });
    const running = place.begin(["run", "--bundle", bundle.directory, id]);
    await place.untilStatusOf(id, "running");
    await place.must(["kill", id]);
    assert.equal(
      (await running.finished).status,
      137,
      "as process 1 it ignores what it does not catch, so it is killed",
    );
  });

  it("ends with status 137 after SIGKILL", async () => {
    const id = place.newId();
    const running = place.begin(["run", "--bundle", (await place.bundle(forever)).directory, id]);
    await place.untilStatusOf(id, "running");
    await place.must(["kill", id, "KILL"]);
    assert.equal((await running.finished).status, 137);
  });

  it("is independent of other containers, each with its own bundle", async () => {
    const say = (word: string) =>
      shell(`trap 'exit 0' TERM; hostname; echo ${word} >/word; while :; do sleep 0.1; done`);
    const first = await place.runDetached(await place.bundle(say("one")));
    const second = await place.runDetached(await place.bundle(say("two")));
    assert.ok((await listed(first)) && (await listed(second)));
    await place.must(["kill", first, "KILL"]);
    await place.untilStatus(first, "stopped");
    assert.equal((await place.must(["exec", second, "cat", "/word"])).stdout, "two\n");
    await place.remove(first);
    assert.equal((await place.state(second)).status, "running");
    await place.remove(second);
  });

  it("leaves the bundle as it was, apart from what the container wrote", async () => {
    const bundle = await place.bundle(shell("true"), (config) => {
      config.root.readonly = true;
    });
    const before = await fingerprint(bundle);
    assert.equal((await place.run(bundle)).status, 0);
    const after = await fingerprint(bundle);
    // Every runtime creates missing mount points in the tree, even below a read-only root.
    const changed = [...new Set([...before.keys(), ...after.keys()])].filter(
      (name) => before.get(name) !== after.get(name),
    );
    assert.deepEqual(
      changed.filter((name) => !after.get(name)?.startsWith("directory") || before.has(name)),
      [],
    );
  });

  it("can begin with a relative bundle, or with the working directory as the default bundle", async () => {
    const bundle = await place.bundle(shell("echo here"));
    const byDefault = await place.runtime(["run", place.newId()], { cwd: bundle.directory });
    assert.equal(byDefault.stdout, "here\n", show(byDefault));
    const relative = await place.runtime(["run", "-b", path.basename(bundle.directory), place.newId()], {
      cwd: path.dirname(bundle.directory),
    });
    assert.equal(relative.stdout, "here\n", show(relative));
  });
});

/** Kind, mode, owner and content of everything in a bundle. */
async function fingerprint(bundle: Bundle): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  const walk = async (directory: string): Promise<void> => {
    for (const name of await readdir(directory)) {
      const file = path.join(directory, name);
      const status = await lstat(file);
      const owner = `${status.mode.toString(8)} ${status.uid}:${status.gid}`;
      if (status.isDirectory()) {
        found.set(file, `directory ${owner}`);
        await walk(file);
      } else if (status.isSymbolicLink()) {
        found.set(file, `link ${await readlink(file)}`);
      } else {
        const hash = createHash("sha256")
          .update(await readFile(file))
          .digest("hex");
        found.set(file, `file ${owner} ${status.ino} ${hash}`);
      }
    }
  };
  await walk(bundle.directory);
  return found;
}
