/** docker 20.10 over the runtime under test, without a network. */
import assert from "node:assert/strict";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { describe as show } from "../../support/command.ts";
import { eventually } from "../../support/eventually.ts";
import { expectNothingNew, guardAgainstLeftOvers, lookAtMachine, type Machine } from "../../support/left-overs.ts";
import { onlyKumite } from "../../support/workplace.ts";
import { expectInteractiveShell } from "../engine-client.ts";
import { Docker, image } from "./docker.ts";

describe("docker", () => {
  let docker: Docker;
  let start: Machine;

  before(async () => {
    start = lookAtMachine();
    docker = await Docker.open();
  });
  after(async () => {
    await docker[Symbol.asyncDispose]();
    await expectNothingNew(start);
  });
  const logs = (id: string, text: string) =>
    eventually("the log", async () => ((await docker.must(["logs", id])).stdout === text ? true : undefined));

  describe("while its daemon runs", () => {
    // The daemon closes these connections at some time.
    guardAgainstLeftOvers(() => ({ ignored: [`${docker.directory}/socket`] }));

    it("run passes output, errors and the exit status", async () => {
      const finished = await docker.run([], ["sh", "-c", "echo out; echo err >&2; exit 42"]);
      assert.deepEqual([finished.stdout, finished.stderr, finished.status], ["out\n", "err\n", 42]);
    });

    it("run uses a VM of its own", onlyKumite, async () => {
      const { stdout } = await docker.run([], ["uname", "-r"]);
      assert.notEqual(stdout.trim(), (await readFile("/proc/sys/kernel/osrelease", "utf8")).trim());
    });

    it("run -i passes piped input and its end", async () => {
      const finished = await docker.run(["--interactive"], ["sh", "-c", "wc -c; echo over"], {
        stdin: "x".repeat(100_000),
      });
      assert.equal(finished.stdout, "100000\nover\n", show(finished));
    });

    it("run -it is an interactive shell", async () => {
      const args = ["run", "--rm", "--network", "none", "--interactive", "--tty", image, "sh"];
      const end = await expectInteractiveShell(docker, args);
      assert.match(end.reports, /terminal restored/);
    });

    it("run of a command that does not exist exits with 127, of one that is not executable with 126", async () => {
      const missing = await docker.run([], ["no-such-program"]);
      assert.equal(missing.status, 127, show(missing));
      assert.match(missing.stderr, /no-such-program/);
      const forbidden = await docker.run([], ["/etc/passwd"]);
      assert.equal(forbidden.status, 126, show(forbidden));
    });

    it("run accepts users, volumes, limits and a read-only root", async () => {
      const shared = path.join(docker.directory, "shared");
      await mkdir(shared, { recursive: true });
      await writeFile(path.join(shared, "in"), "from the host\n");
      const flags = ["--read-only", "--user", "1000:4", "--hostname", "dojo", "--workdir", "/usr", "--env", "A=b c"];
      const mounts = [
        "--volume",
        `${shared}:/rw`,
        "--volume",
        `${shared}:/ro:ro`,
        "--tmpfs",
        "/scratch:size=1m,mode=1777",
      ];
      const limits = ["--memory", "64m", "--pids-limit", "99", "--cpus", "0.5", "--ulimit", "nofile=99:100"];
      const script = `id -u; id -g; hostname; pwd; echo $A; ulimit -n; cat /rw/in
      for file in /new /ro/no /scratch/f; do echo x 2>/dev/null >$file && echo $file; done
      cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null
      cat /sys/fs/cgroup/pids.max /sys/fs/cgroup/pids/pids.max 2>/dev/null
      cat /sys/fs/cgroup/cpu.max /sys/fs/cgroup/cpu/cpu.cfs_quota_us 2>/dev/null`;
      const finished = await docker.run([...flags, ...mounts, ...limits], ["sh", "-c", script]);
      const wanted = /^1000 4 dojo \/usr b c 99 from the host \/scratch\/f 67108864 99 50000( 100000)?$/;
      assert.match(finished.stdout.trim().replaceAll("\n", " "), wanted, show(finished));
    });

    it("keeps a container in the background: logs, exec, top, stats, update, cp, commit, pause, stop with its grace", async () => {
      const script = "trap 'echo asked; exit 3' TERM; echo up; while :; do sleep 0.1; done";
      const id = await docker.start([], ["sh", "-c", script]);
      await logs(id, "up\n");

      assert.equal((await docker.must(["exec", id, "echo", "hello"])).stdout, "hello\n");
      const failed = await docker.call(["exec", id, "sh", "-c", "echo bad >&2; exit 9"]);
      assert.deepEqual([failed.stderr, failed.status], ["bad\n", 9]);
      const piped = await docker.must(["exec", "--interactive", id, "tr", "a-z", "A-Z"], { stdin: "piped" });
      assert.equal(piped.stdout, "PIPED");
      assert.match((await docker.must(["exec", "--tty", id, "tty"])).stdout, /\/dev\/pts\/\d+\r\n/);
      const as = ["--user", "1000", "--workdir", "/tmp", "--env", "K=v"];
      assert.equal(
        (await docker.must(["exec", ...as, id, "sh", "-c", "id -u; pwd; echo $K"])).stdout,
        "1000\n/tmp\nv\n",
      );
      const missing = await docker.call(["exec", id, "no-such-program"]);
      assert.notEqual(missing.status, 0);
      assert.match(missing.stdout + missing.stderr, /no-such-program/);

      assert.match((await docker.must(["top", id, "-o", "pid,args"])).stdout, /while|kumite-relay/);
      assert.match((await docker.must(["stats", "--no-stream", id])).stdout, new RegExp(id.slice(0, 12)));
      await docker.must(["update", "--memory", "48m", "--memory-swap", "48m", id]);
      if (onlyKumite.skip === false)
        assert.equal(await docker.ask(["exec", id, "cat", "/sys/fs/cgroup/memory.max"]), String(48 * 1024 * 1024));
      const [from, to] = [path.join(docker.directory, "from"), path.join(docker.directory, "to")];
      await writeFile(from, "copied\n");
      await docker.must(["cp", from, `${id}:/kept`]);
      assert.equal(await docker.ask(["exec", id, "cat", "/kept"]), "copied");
      await docker.must(["cp", `${id}:/etc/passwd`, to]);
      assert.match(await readFile(to, "utf8"), /^user:x:1000:1000/m);
      await docker.must(["commit", id, "committed"]);
      const again = ["run", "--rm", "--network", "none", "--init", "committed", "cat", "/kept"];
      assert.equal(await docker.ask(again), "copied");
      await docker.must(["rmi", "committed"]);
      await docker.must(["pause", id]);
      assert.equal(await docker.ask(["inspect", "--format", "{{.State.Status}}", id]), "paused");
      await docker.must(["unpause", id]);

      // Time enough on any host: docker kills it at the end of this time.
      await docker.must(["stop", "--time", "100", id]);
      assert.equal((await docker.must(["logs", id])).stdout, "up\nasked\n");
      assert.equal(await docker.ask(["inspect", "--format", "{{.State.ExitCode}} {{.State.Status}}", id]), "3 exited");
      await docker.must(["rm", id]);
    });

    it("kill passes any signal, wait gives the status, start runs it again", async () => {
      const id = await docker.start([], ["sh", "-c", "trap 'exit 8' USR1; echo up; while :; do sleep 0.1; done"]);
      await logs(id, "up\n");
      await docker.must(["kill", "--signal", "USR1", id]);
      assert.equal(await docker.ask(["wait", id]), "8");
      await docker.must(["start", id]);
      await logs(id, "up\nup\n");
      await docker.must(["kill", id]);
      assert.equal(await docker.ask(["wait", id]), "137");
      await docker.must(["rm", id]);
    });

    it("attach follows a container to its end, and rm -f removes a running one", async () => {
      const id = await docker.start(["--interactive"], ["sh", "-c", "read line; echo got $line; exit 4"]);
      const attached = docker.begin(["attach", id], { stdin: "" });
      attached.child.stdin?.write("word\n");
      await attached.untilOutput("got word\n");
      const finished = await attached.finished;
      assert.equal(finished.status, 4, show(finished));
      await docker.must(["rm", id]);
      const other = await docker.start([], ["sleep", "1000"]);
      await docker.must(["rm", "--force", other]);
      assert.equal(await docker.ask(["ps", "--all", "--quiet"]), "");
    });
  });

  it("containers continue without the daemon, and a new one finds them", async () => {
    const id = await docker.start(
      [],
      ["sh", "-c", "echo up; while [ ! -e /go ]; do sleep 0.1; done; echo gone; exit 6"],
    );
    await logs(id, "up\n");
    await docker.stopDaemon();
    await docker.startDaemon();
    assert.equal(await docker.ask(["inspect", "--format", "{{.State.Status}}", id]), "running");
    await docker.must(["exec", id, "touch", "/go"]);
    assert.equal(await docker.ask(["wait", id]), "6");
    assert.equal((await docker.must(["logs", id])).stdout, "up\ngone\n");
    await docker.must(["rm", id]);
  });
});
