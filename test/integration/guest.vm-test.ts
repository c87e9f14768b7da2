/** What holds because each container has a VM of its own. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, describe, it } from "node:test";
import { shell } from "../support/bundle.ts";
import { describe as show, succeed } from "../support/command.ts";
import { eventually } from "../support/eventually.ts";
import { guardAgainstLeftOvers } from "../support/left-overs.ts";
import { sandboxProcesses } from "../support/sandbox.ts";
import { onlyKumite, Workplace } from "../support/workplace.ts";

describe("the VM of a container", onlyKumite, () => {
  let place: Workplace;
  before(async () => {
    place = await Workplace.open("guest");
  });
  after(() => place[Symbol.asyncDispose]());
  guardAgainstLeftOvers(() => ({ directories: [place.root] }));

  it("reaps every orphan, including those of exec processes", async () => {
    // Without a pid namespace the container sees the VM's processes, including the agent.
    const bundle = await place.bundle(shell("while :; do sleep 0.2; done"), (config) => {
      config.linux.namespaces = config.linux.namespaces.filter(({ type }) => type !== "pid");
    });
    const id = await place.runDetached(bundle);
    for (let round = 0; round < 10; round++) {
      await place.must(["exec", id, "sh", "-c", "(sh -c 'sleep 0.01 & sleep 0.02 & exit 0' &) ; exit 0"]);
    }
    await eventually("no zombie is left", async () => {
      const { stdout } = await place.must([
        "exec",
        id,
        "sh",
        "-c",
        "grep -l '^State:.Z' /proc/[0-9]*/status 2>/dev/null; true",
      ]);
      return stdout === "" ? true : undefined;
    });
    await place.remove(id);
  });

  it("is confined like its container: every process of it is in a cgroup of the sandbox", async () => {
    const id = await place.runDetached(await place.bundle(shell("while :; do sleep 1; done")));
    const found = sandboxProcesses(id);
    // The helper may start and end at any time.
    found.delete("helper");
    assert.deepEqual([...found.keys()].sort(), ["qemu", "relay", "shim", "virtiofsd"]);
    const qemu = found.get("qemu")?.[0];
    const status = await readFile(`/proc/${qemu}/status`, "utf8");
    assert.match(status, /NoNewPrivs:\t1/);
    assert.match(status, /Seccomp:\t2/);
    await place.remove(id);
  });

  it("has no network interface, and the log says so, when the bundle asks for a network", async () => {
    const name = `kumite-test-${process.pid}`;
    await succeed(["ip", "netns", "add", name]);
    try {
      for (const namespaces of [[{ type: "network", path: `/run/netns/${name}` }], []]) {
        const bundle = await place.bundle(shell("ls /sys/class/net"), (config) => {
          config.linux.namespaces = [
            ...config.linux.namespaces.filter(({ type }) => type !== "network"),
            ...namespaces,
          ];
        });
        const log = place.path("log");
        const finished = await place.runtime(["--log", log, "run", "--bundle", bundle.directory, place.newId()]);
        assert.deepEqual([finished.stdout, finished.stderr, finished.status], ["lo\n", "", 0], show(finished));
        assert.match(await readFile(log, "utf8"), /network/);
      }
    } finally {
      await succeed(["ip", "netns", "delete", name]);
    }
  });

  it("has no process after its container has stopped", async () => {
    const id = await place.runDetached(await place.bundle(shell("true")));
    await place.untilStatus(id, "stopped");
    await eventually("no process is left", () => (sandboxProcesses(id).size === 0 ? true : undefined));
    assert.equal((await place.state(id)).status, "stopped");
    await place.must(["delete", id]);
  });
});
