/** Further processes in a running container. All tests share one container. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { copyFile, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { type Bundle, shell } from "../support/bundle.ts";
import { type CommandOptions, execute, type Finished, describe as show } from "../support/command.ts";
import { asEngine } from "../support/engine.ts";
import { eventually } from "../support/eventually.ts";
import { expectNothingNew, guardAgainstLeftOvers, lookAtMachine, type Machine } from "../support/left-overs.ts";
import { nativeHelper } from "../support/native.ts";
import { sandboxProcesses } from "../support/sandbox.ts";
import { onlyKumite, Workplace } from "../support/workplace.ts";

describe("exec", () => {
  let place: Workplace;
  let start: Machine;
  let bundle: Bundle;
  let id: string;

  before(async () => {
    place = await Workplace.open("exec");
    start = lookAtMachine({ directories: [place.root] });
    bundle = await place.bundle(shell("trap 'exit 0' TERM; while :; do sleep 1 & wait; done"), (config) => {
      config.process.env.push("FROM=container");
      config.process.cwd = "/tmp";
    });
    id = await place.runDetached(bundle);
  });
  after(async () => {
    await place[Symbol.asyncDispose]();
    await expectNothingNew(start, { directories: [place.root] });
  });
  guardAgainstLeftOvers(() => ({ directories: [place.root] }));

  const exec = (args: readonly string[], options?: CommandOptions): Promise<Finished> =>
    place.runtime(["exec", ...args], options);
  const sh = (script: string) => [id, "sh", "-c", script];

  it("passes output, errors and the exit status", async () => {
    const finished = await exec(sh("echo out; echo err >&2; exit 42"));
    assert.deepEqual([finished.stdout, finished.stderr, finished.status], ["out\n", "err\n", 42]);
  });

  it("passes its input and the end of its input", async () => {
    const bytes = randomBytes(200_000);
    const finished = await exec([id, "cat"], { stdin: bytes });
    assert.ok(finished.stdoutBytes.equals(bytes), show({ ...finished, stdout: "" }));
  });

  it("passes flags after the id as arguments of the process", async () => {
    assert.equal((await exec([id, "echo", "-n", "--tty", "-d"])).stdout, "--tty -d");
  });

  it("shares the container's session keyring, or has none, as configured", async () => {
    const programs = await nativeHelper("keyring");
    const ofNew = async (...flags: string[]): Promise<readonly string[]> => {
      const other = await place.bundle(shell("keyring; read line"));
      await copyFile(programs, path.join(other.rootfs, "bin/keyring"));
      const name = place.newId();
      const running = place.begin(["run", ...flags, "--bundle", other.directory, name], { stdin: "" });
      await running.untilOutput("\n");
      const executed = await place.must(["exec", name, "keyring"]);
      const again = await place.must(["exec", "--user", "1000", name, "keyring"]);
      running.child.stdin?.end("\n");
      return [(await running.finished).stdout.trim(), executed.stdout.trim(), again.stdout.trim()];
    };
    const own = await ofNew();
    assert.match(own[0] ?? "", /^[1-9]\d*$/);
    assert.deepEqual(new Set(own).size, 1, own.join(" "));
    const [first, executed] = await ofNew("--no-new-keyring");
    assert.equal(first, executed);
  });

  it("inherits environment and working directory of the container", async () => {
    assert.equal((await exec(sh("echo $FROM; pwd"))).stdout, "container\n/tmp\n");
  });

  it("adds --env and uses --cwd", async () => {
    const finished = await exec([
      "--env",
      "A=1",
      "--env",
      "FROM=exec",
      "--cwd",
      "/var/www",
      ...sh("echo $A $FROM; pwd"),
    ]);
    assert.equal(finished.stdout, "1 exec\n/var/www\n", show(finished));
  });

  it("accepts numbers for --user", async () => {
    assert.equal((await exec(["--user", "1000:33", ...sh("id -u; id -g")])).stdout, "1000\n33\n");
    assert.equal((await exec(["-u", "1000", ...sh("id -u")])).stdout, "1000\n");
  });

  it("reads a whole process from --process", async () => {
    const file = place.path("process.json");
    const process = {
      args: ["sh", "-c", "id -u; pwd; echo $ONLY; grep CapEff /proc/self/status"],
      cwd: "/home/user",
      env: ["PATH=/bin", "ONLY=this"],
      user: { uid: 1000, gid: 1000 },
      capabilities: { bounding: [], effective: [], permitted: [], inheritable: [], ambient: [] },
    };
    await writeFile(file, JSON.stringify(process));
    const finished = await exec(["--process", file, id]);
    assert.equal(finished.stdout, "1000\n/home/user\nthis\nCapEff:\t0000000000000000\n", show(finished));
  });

  it("with --detach leaves a process whose pid is in the pid file and whose end the engine sees", async () => {
    const pidFile = place.path("pid");
    const engine = await asEngine(
      place.argv("exec", "--detach", "--pid-file", pidFile, ...sh("read line; echo got $line; exit 5")),
      pidFile,
    );
    assert.equal(await engine.verbStatus, 0, engine.errors());
    assert.match(await readFile(pidFile, "utf8"), /^\d+$/);
    engine.write("word\n");
    assert.equal(await engine.processStatus, 5);
    await eventually("the output", () => (engine.output() === "got word\n" ? true : undefined));
  });

  it("fails at once for a program that does not exist, and names it", async () => {
    const finished = await exec([id, "no-such-program"]);
    assert.notEqual(finished.status, 0);
    assert.match(finished.stderr, /exec: \\?"no-such-program\\?": executable file not found in \$PATH/);
  });

  it("fails for a program that may not be executed, and names it", async () => {
    const finished = await exec([id, "/etc/passwd"]);
    assert.notEqual(finished.status, 0);
    assert.match(finished.stderr, /\/etc\/passwd.*permission denied/);
  });

  it("fails for a working directory that does not exist, and names it", async () => {
    const finished = await exec(["--cwd", "/nowhere", id, "true"]);
    assert.notEqual(finished.status, 0);
    assert.match(finished.stderr, /nowhere/);
  });

  it("ends when its process ends, even if a child keeps the output open", async () => {
    const finished = await exec(sh("sleep 1000 >/dev/null 2>&1 & echo done"));
    assert.deepEqual([finished.stdout, finished.status], ["done\n", 0], show(finished));
    await exec([id, "killall", "sleep"]);
  });

  it("passes a signal to its process only", async () => {
    const running = place.begin([
      "exec",
      ...sh("trap 'echo asked; exit 6' TERM; echo ready; while :; do sleep 0.1; done"),
    ]);
    await running.untilOutput("ready");
    process.kill(running.pid, "SIGTERM");
    const finished = await running.finished;
    assert.deepEqual([finished.stdout, finished.status], ["ready\nasked\n", 6], show(finished));
    assert.equal((await place.state(id)).status, "running");
  });

  it("ends only its own process in the container when its relay is killed", onlyKumite, async () => {
    const container = (await place.state(id)).pid;
    const running = place.begin(["exec", ...sh("echo ready; exec sleep 4321")]);
    await running.untilOutput("ready");
    const relay = sandboxProcesses(id)
      .get("relay")
      ?.find((pid) => pid !== container);
    assert.ok(relay !== undefined);
    process.kill(relay, "SIGKILL");
    const finished = await running.finished;
    assert.equal(finished.status, 137);
    assert.match(
      finished.stderr,
      /^kumite: the relay of a process in \S+ was killed by SIGKILL \(relay\)\n/,
      show(finished),
    );
    // The brackets keep grep from finding itself.
    await eventually("the process is gone", async () =>
      (await exec(sh("grep -lxz [4]321 /proc/[0-9]*/cmdline 2>/dev/null"))).stdout === "" ? true : undefined,
    );
    assert.equal((await place.state(id)).status, "running");
  });

  it("runs several at a time without mixing their streams", async () => {
    const words = ["a", "b", "c", "d", "e"];
    const all = await Promise.all(
      words.map((word) => exec(sh(`read x; for i in 1 2 3; do echo ${word}$x$i; done`), { stdin: `${word}\n` })),
    );
    assert.deepEqual(
      all.map(({ stdout }) => stdout),
      words.map((w) => `${w}${w}1\n${w}${w}2\n${w}${w}3\n`),
    );
  });

  it("twenty times in a row leaves no process and no descriptor on the host", onlyKumite, async () => {
    const look = async () => footprint((await place.state(id)).pid ?? -1, id);
    for (let round = 0; round < 5; round++) assert.equal((await exec([id, "true"])).status, 0);
    const first = await eventually("the footprint at rest", look);
    for (let round = 0; round < 20; round++) assert.equal((await exec([id, "true"])).status, 0);
    await eventually("the same footprint", async () => {
      const now = await look();
      // The helper process may start and end at any time.
      return now !== undefined && now.processes <= first.processes && now.descriptors <= first.descriptors
        ? true
        : undefined;
    });
  });

  it("refuses an unknown container", async () => {
    const finished = await exec(["no-such-container", "true"]);
    assert.notEqual(finished.status, 0);
    assert.match(finished.stderr, /does not exist/);
  });

  it("refuses a missing command", async () => {
    assert.notEqual((await exec([id])).status, 0);
  });
});

/** The number of the sandbox's processes, and of the descriptors they hold. */
async function footprint(
  relayPid: number,
  id: string,
): Promise<{ processes: number; descriptors: number } | undefined> {
  const shown = await execute([
    "sh",
    "-c",
    `for p in /proc/[0-9]*; do tr '\\0' ' ' <$p/cmdline 2>/dev/null | grep -q -- '${id}' && echo \${p#/proc/} $(ls $p/fd 2>/dev/null | wc -l); done`,
  ]);
  const rows = shown.stdout
    .trim()
    .split("\n")
    .map((line) => line.split(" ").map(Number));
  if (!rows.some(([pid]) => pid === relayPid)) return undefined;
  // The shell that searches also names the id; it has ended by now, so its rows have no descriptors.
  const alive = rows.filter(([, count]) => (count ?? 0) > 0);
  return { processes: alive.length, descriptors: alive.reduce((sum, [, count]) => sum + (count ?? 0), 0) };
}
