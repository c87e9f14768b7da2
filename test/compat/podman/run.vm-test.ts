/** podman 4.3 over the runtime under test, without a network. */
import assert from "node:assert/strict";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { describe as show } from "../../support/command.ts";
import { eventually } from "../../support/eventually.ts";
import { expectNothingNew, guardAgainstLeftOvers, lookAtMachine, type Machine } from "../../support/left-overs.ts";
import { onTerminal } from "../../support/terminal.ts";
import { onlyKumite } from "../../support/workplace.ts";
import { image, Podman } from "./podman.ts";

describe("podman", () => {
  let podman: Podman;
  let start: Machine;

  before(async () => {
    podman = await Podman.open();
    start = lookAtMachine();
  });
  after(async () => {
    await podman[Symbol.asyncDispose]();
    await expectNothingNew(start);
  });
  guardAgainstLeftOvers(() => ({ ignored: [podman.ownMount] }));

  it("run passes output, errors and the exit status", async () => {
    const finished = await podman.run([], ["sh", "-c", "echo out; echo err >&2; exit 42"]);
    assert.deepEqual([finished.stdout, finished.stderr, finished.status], ["out\n", "err\n", 42]);
  });

  it("run is in a machine of its own", onlyKumite, async () => {
    const { stdout } = await podman.run([], ["uname", "-r"]);
    assert.notEqual(stdout.trim(), (await readFile("/proc/sys/kernel/osrelease", "utf8")).trim());
  });

  it("run -i passes piped input and its end", async () => {
    const finished = await podman.run(["--interactive"], ["sh", "-c", "wc -c; echo over"], {
      stdin: "x".repeat(100_000),
    });
    assert.equal(finished.stdout, "100000\nover\n", show(finished));
  });

  it("run -t gives a terminal", async () => {
    const finished = await podman.run(["--tty"], ["sh", "-c", "tty; test -t 1 && echo terminal"]);
    assert.match(finished.stdout, /\/dev\/(pts\/\d+|console)\r\nterminal\r\n/, show(finished));
  });

  it("run -it is a shell to talk to", async () => {
    const args = ["run", "--rm", "--network", "none", "--interactive", "--tty", image, "sh"];
    const env = Object.entries(podman.env).map(([key, value]) => `${key}=${value}`);
    const terminal = await onTerminal(["env", "-i", ...env, ...podman.argv(args)], 31, 103);
    await terminal.until("# ");
    terminal.type("stty size\r");
    await terminal.until("31 103");
    terminal.type("exit 13\r");
    const end = await terminal.ended;
    assert.equal(end.status, 13, end.shown);
    assert.match(end.reports, /terminal restored/);
  });

  it("run of a command that does not exist ends with 127", async () => {
    const finished = await podman.run([], ["no-such-program"]);
    assert.equal(finished.status, 127, show(finished));
    assert.match(finished.stderr, /no-such-program/);
  });

  it("run of a file that may not be executed ends with 126", async () => {
    const finished = await podman.run([], ["/etc/passwd"]);
    assert.equal(finished.status, 126, show(finished));
  });

  it("run --user takes names and numbers", async () => {
    const finished = await podman.run(["--user", "www-data"], ["id"]);
    assert.match(finished.stdout, /uid=33\(www-data\) gid=33\(www-data\)/, show(finished));
    assert.match((await podman.run(["--user", "1000:4"], ["sh", "-c", "id -u; id -g"])).stdout, /^1000\n4\n/);
  });

  it("run -v shares a directory both ways, and read-only when asked", async () => {
    const shared = path.join(podman.directory, "shared");
    await mkdir(shared, { recursive: true });
    await writeFile(path.join(shared, "in"), "from the host\n");
    const script = "cat /rw/in; echo out >/rw/out; echo no >/ro/in; echo status $?";
    const finished = await podman.run(["-v", `${shared}:/rw`, "-v", `${shared}:/ro:ro`], ["sh", "-c", script]);
    assert.equal(finished.stdout, "from the host\nstatus 1\n", show(finished));
    assert.match(finished.stderr, /Read-only file system/);
    assert.equal(await readFile(path.join(shared, "out"), "utf8"), "out\n");
  });

  it("run takes --read-only, --hostname, --workdir, --env and --tmpfs", async () => {
    const flags = [
      "--read-only",
      "--hostname",
      "dojo",
      "--workdir",
      "/usr",
      "--env",
      "A=b c",
      "--tmpfs",
      "/scratch:size=1m",
    ];
    const script = "hostname; pwd; echo $A; echo x >/new; echo status $?; echo y >/scratch/f && cat /scratch/f";
    const finished = await podman.run(flags, ["sh", "-c", script]);
    assert.equal(finished.stdout, "dojo\n/usr\nb c\nstatus 1\ny\n", show(finished));
  });

  it("run shows --memory, --pids-limit and --cpus inside", async () => {
    const script = `cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null
      cat /sys/fs/cgroup/pids.max /sys/fs/cgroup/pids/pids.max 2>/dev/null
      cat /sys/fs/cgroup/cpu.max /sys/fs/cgroup/cpu/cpu.cfs_quota_us 2>/dev/null`;
    const finished = await podman.run(["--memory", "64m", "--pids-limit", "99", "--cpus", "0.5"], ["sh", "-c", script]);
    assert.match(finished.stdout, /^67108864\n99\n50000( 100000)?\n/, show(finished));
  });

  it("run has no network but the loopback", async () => {
    assert.equal((await podman.run([], ["ls", "/sys/class/net"])).stdout, "lo\n");
  });

  it("keeps a container in the background: logs, exec, stop with its grace", async () => {
    const id = await podman.start(
      [],
      ["sh", "-c", "trap 'echo asked; exit 3' TERM; echo up; while :; do sleep 0.1; done"],
    );
    await eventually("the log", async () => ((await podman.must(["logs", id])).stdout === "up\n" ? true : undefined));

    assert.equal((await podman.must(["exec", id, "echo", "hello"])).stdout, "hello\n");
    const failed = await podman.call(["exec", id, "sh", "-c", "echo bad >&2; exit 9"]);
    assert.deepEqual([failed.stderr, failed.status], ["bad\n", 9]);
    const piped = await podman.must(["exec", "--interactive", id, "tr", "a-z", "A-Z"], { stdin: "piped" });
    assert.equal(piped.stdout, "PIPED");
    const terminal = await podman.must(["exec", "--tty", id, "tty"]);
    assert.match(terminal.stdout, /\/dev\/pts\/\d+\r\n/);
    const user = await podman.must([
      "exec",
      "--user",
      "1000",
      "--workdir",
      "/tmp",
      "--env",
      "K=v",
      id,
      "sh",
      "-c",
      "id -u; pwd; echo $K",
    ]);
    assert.equal(user.stdout, "1000\n/tmp\nv\n");
    assert.equal((await podman.call(["exec", id, "no-such-program"])).status, 127);

    await podman.must(["stop", id]);
    assert.equal((await podman.must(["logs", id])).stdout, "up\nasked\n");
    assert.equal(
      (await podman.must(["inspect", "--format", "{{.State.ExitCode}} {{.State.Status}}", id])).stdout,
      "3 exited\n",
    );
    await podman.must(["rm", id]);
  });

  it("stop kills what does not obey", async () => {
    const id = await podman.start([], ["sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"]);
    await podman.must(["stop", "--time", "1", id]);
    assert.equal((await podman.must(["inspect", "--format", "{{.State.ExitCode}}", id])).stdout, "137\n");
    await podman.must(["rm", id]);
  });

  it("kill passes any signal, wait gives the status", async () => {
    const id = await podman.start([], ["sh", "-c", "trap 'exit 8' USR1; echo up; while :; do sleep 0.1; done"]);
    await eventually("the log", async () => ((await podman.must(["logs", id])).stdout === "up\n" ? true : undefined));
    await podman.must(["kill", "--signal", "USR1", id]);
    assert.equal((await podman.must(["wait", id])).stdout, "8\n");
    await podman.must(["rm", id]);
  });

  it("starts a stopped container again", async () => {
    const id = await podman.start([], ["sh", "-c", "echo round; echo x >>/count; exit $(wc -l </count)"]);
    assert.equal((await podman.must(["wait", id])).stdout, "1\n");
    await podman.must(["start", id]);
    assert.equal((await podman.must(["wait", id])).stdout, "2\n");
    assert.equal((await podman.must(["logs", id])).stdout, "round\nround\n");
    await podman.must(["rm", id]);
  });

  it("rm -f removes a running container and all of it", async () => {
    const id = await podman.start([], ["sleep", "1000"]);
    await podman.must(["rm", "--force", "--time", "0", id]);
    assert.equal((await podman.must(["ps", "--all", "--quiet"])).stdout, "");
  });

  it("attach follows a container to its end", async () => {
    const id = await podman.start(["--interactive"], ["sh", "-c", "read line; echo got $line; exit 4"]);
    const finished = await podman.call(["attach", id], { stdin: "word\n" });
    assert.match(finished.stdout, /^got word\n/, show(finished));
    assert.equal((await podman.must(["wait", id])).stdout, "4\n");
    await podman.must(["rm", id]);
  });
});
