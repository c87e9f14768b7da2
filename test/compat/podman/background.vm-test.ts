/** podman 4.3 and containers that run in the background: what podman can ask about one and do with it. */
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { eventually, within } from "../../support/eventually.ts";
import { expectNothingNew, guardAgainstLeftOvers, lookAtMachine, type Machine } from "../../support/left-overs.ts";
import { onlyKumite } from "../../support/workplace.ts";
import { expectInteractiveShell } from "../engine-client.ts";
import { image, Podman } from "./podman.ts";

describe("podman and a container in the background", () => {
  let podman: Podman;
  let start: Machine;
  const name = "web";
  let id: string;

  before(async () => {
    podman = await Podman.open();
    start = lookAtMachine();
    const health = ["--health-cmd", "test -e /healthy", "--health-interval", "disable"];
    const script = "echo up; echo err >&2; exec sleep 100000";
    id = await podman.start(
      ["--name", name, "--memory", "64m", "--volume", "data:/data", ...health],
      ["sh", "-c", script],
    );
    await eventually("both outputs in the log", async () => {
      const { stdout, stderr } = await podman.must(["logs", name]);
      return stdout !== "" && stderr !== "" ? true : undefined;
    });
  });
  after(async () => {
    await podman[Symbol.asyncDispose]();
    await expectNothingNew(start);
  });
  // What the container writes for all tests appears in its shared tree.
  guardAgainstLeftOvers(() => ({ ignored: [podman.ownMount, `/run/kumite/${id}/`] }));

  const exec = (...args: string[]) => podman.call(["exec", ...args]);

  it("logs keeps its two outputs separate", async () => {
    const { stdout, stderr } = await podman.must(["logs", name]);
    assert.deepEqual([stdout, stderr], ["up\n", "err\n"]);
  });

  it("exec passes output, errors and the exit status", async () => {
    const finished = await exec(name, "sh", "-c", "echo out; echo bad >&2; exit 9");
    assert.deepEqual([finished.stdout, finished.stderr, finished.status], ["out\n", "bad\n", 9]);
  });

  it("exec -i passes piped input and its end, exec without it passes none", async () => {
    const piped = await podman.must(["exec", "--interactive", name, "wc", "-c"], { stdin: "x".repeat(100_000) });
    assert.equal(piped.stdout, "100000\n");
    assert.equal(await podman.ask(["exec", name, "wc", "-c"], { stdin: "ignored" }), "0");
  });

  it("exec -t has a terminal, exec -it an interactive one", async () => {
    assert.match((await exec("--tty", name, "tty")).stdout, /\/dev\/pts\/\d+\r\n/);
    await expectInteractiveShell(podman, ["exec", "--interactive", "--tty", name, "sh"]);
  });

  it("exec accepts user, directory, environment and privileges", async () => {
    const flags = ["--user", "1000", "--workdir", "/tmp", "--env", "K=v"];
    assert.equal((await exec(...flags, name, "sh", "-c", "id -u; pwd; echo $K")).stdout, "1000\n/tmp\nv\n");
    const capabilities = "grep CapEff /proc/self/status";
    assert.notEqual(
      (await exec("--privileged", name, "sh", "-c", capabilities)).stdout,
      (await exec(name, "sh", "-c", capabilities)).stdout,
    );
  });

  it("exec of a missing program exits with 127, of one that is not executable with 126", async () => {
    assert.equal((await exec(name, "no-such-program")).status, 127);
    assert.equal((await exec(name, "/etc/passwd")).status, 126);
  });

  it("exec -d leaves a process behind", async () => {
    await podman.must(["exec", "--detach", name, "sh", "-c", "echo done >/detached"]);
    await eventually("its file", async () =>
      (await exec(name, "cat", "/detached")).stdout === "done\n" ? true : undefined,
    );
  });

  it("cp copies to and from the root and volumes, and nothing to the host", async () => {
    const [from, to] = [path.join(podman.directory, "from"), path.join(podman.directory, "to")];
    await writeFile(from, "copied\n");
    for (const target of ["/kumite-copy", "/data/kumite-copy"]) {
      await podman.must(["cp", from, `${name}:${target}`]);
      assert.equal((await exec(name, "cat", target)).stdout, "copied\n");
      await assert.rejects(readFile(target), { code: "ENOENT" });
    }
    await podman.must(["cp", `${name}:/etc/passwd`, to]);
    assert.match(await readFile(to, "utf8"), /^user:x:1000:1000/m);
  });

  it("commit makes an image of what the container has written", async () => {
    await exec(name, "sh", "-c", "echo kept >/written");
    await podman.must(["commit", "--quiet", name, "localhost/committed"]);
    const run = ["run", "--rm", "--network", "none", "localhost/committed", "cat", "/written"];
    assert.equal(await podman.ask(run), "kept");
  });

  it("healthcheck runs the command of the container", async () => {
    assert.equal((await podman.call(["healthcheck", "run", name])).status, 1);
    await exec(name, "touch", "/healthy");
    await podman.must(["healthcheck", "run", name]);
    assert.equal(await podman.inspect(name, ".State.Health.Status"), "healthy");
  });

  it("pause and unpause stop and continue it", async () => {
    await podman.must(["pause", name]);
    try {
      assert.equal(await podman.inspect(name, ".State.Status"), "paused");
      assert.equal(await podman.ask(["ps", "--filter", "status=paused", "--format", "{{.Names}}"]), name);
      assert.notEqual((await exec(name, "true")).status, 0);
    } finally {
      await podman.must(["unpause", name]);
    }
    assert.equal(await podman.inspect(name, ".State.Status"), "running");
    assert.equal((await exec(name, "echo", "again")).stdout, "again\n");
  });

  it("update changes its limits", onlyKumite, async () => {
    await podman.must(["update", "--memory", "48m", "--cpus", "0.25", name]);
    const files = ["memory.max", "cpu.max"].map((file) => `/sys/fs/cgroup/${file}`);
    assert.equal((await exec(name, "cat", ...files)).stdout, `${48 * 1024 * 1024}\n25000 100000\n`);
  });

  it("ps, inspect and stats know it", async () => {
    assert.match(await podman.ask(["ps", "--format", "{{.Names}} {{.Status}}"]), /^web Up /);
    const pid = Number(await podman.inspect(name, ".State.Pid"));
    process.kill(pid, 0);
    const [stats] = JSON.parse(await podman.ask(["stats", "--no-stream", "--format", "json", name]));
    assert.equal(stats.name, name);
    assert.match(stats.mem_usage, /^[1-9]/);
  });

  it("top does not show processes of the host", async () => {
    const { stdout } = await podman.call(["top", name, "args"]);
    assert.doesNotMatch(stdout, /podman|node/);
  });

  it("attach shows its output, and the detach keys detach", async () => {
    // The container's own output shows when an attach is complete: input typed earlier is discarded.
    const script = "while :; do echo tick; sleep 0.2; done & exec sh";
    const flags = ["--detach", "--interactive", "--tty", "--network", "none", "--name", "talk"];
    await podman.must(["run", ...flags, image, "sh", "-c", script]);
    const first = await podman.onTerminal(["attach", "talk"]);
    await first.until("tick");
    first.type("echo $((20 + 3))\r");
    await first.until("23\r\n");
    // podman needs each key in a separate read.
    first.type("\x10");
    await first.until("tick");
    first.type("\x11");
    await within("the detach", 60_000, first.ended);
    assert.equal(await podman.inspect("talk", ".State.Status"), "running");
    const second = await podman.onTerminal(["attach", "talk"]);
    await second.until("tick");
    second.type("exit 4\r");
    assert.equal(await podman.ask(["wait", "talk"]), "4");
    await within("the end", 60_000, second.ended);
    await podman.must(["rm", "talk"]);
  });
});
