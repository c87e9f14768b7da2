/** Several containers in one VM, as pod engines ask for them. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { type Bundle, type Patch, shell } from "../support/bundle.ts";
import { type Finished, describe as show } from "../support/command.ts";
import { asEngine, type EngineCall } from "../support/engine.ts";
import { eventually } from "../support/eventually.ts";
import { guardAgainstLeftOvers } from "../support/left-overs.ts";
import { asSandbox, inSandbox, type PodEngine, podEngines } from "../support/pod.ts";
import { processOf, sandboxProcesses } from "../support/sandbox.ts";
import { cpuHierarchy } from "../support/test-cgroup.ts";
import { onlyKumite, Workplace } from "../support/workplace.ts";

const forever = shell("echo up; while :; do sleep 1; done");

describe("a pod", onlyKumite, () => {
  let place: Workplace;
  before(async () => {
    place = await Workplace.open("pod");
  });
  after(() => place[Symbol.asyncDispose]());
  let pause: Bundle;
  let pod: string;
  before(async () => {
    pause = await place.bundle(asSandbox(), forever);
    pod = await place.runDetached(pause);
  });
  after(() => place.remove(pod));

  const members: string[] = [];
  afterEach(async () => {
    for (const id of members.splice(0)) await place.remove(id);
  });
  // Installed after the pod was created, which may stay while its tests run.
  guardAgainstLeftOvers(() => ({ directories: [place.root] }));

  function newMember(): string {
    const id = place.newId();
    members.push(id);
    return id;
  }

  function refused(finished: Finished, reason: RegExp): void {
    assert.notEqual(finished.status, 0, show(finished));
    assert.match(finished.stderr, reason);
  }

  /** Creates and starts a container, with this test as its engine. */
  async function startMember(
    script: string,
    id = newMember(),
    patch: Patch = () => {},
  ): Promise<{ id: string; engine: EngineCall }> {
    const bundle = await place.bundle(inSandbox(pod), shell(script), patch);
    const pidFile = place.path("pid");
    const engine = await asEngine(
      place.argv("create", "--bundle", bundle.directory, "--pid-file", pidFile, id),
      pidFile,
    );
    assert.equal(await engine.verbStatus, 0, engine.errors());
    await place.must(["start", id]);
    return { id, engine };
  }

  it("runs all of its containers in one VM, each with its own state, streams and status", async () => {
    const first = await startMember("read line; echo got $line; exit 3");
    const second = await startMember("echo beside; while :; do sleep 1; done");
    await eventually("the output", () => (second.engine.output().includes("beside") ? true : undefined));
    const processes = sandboxProcesses(pod);
    assert.equal(processes.get("qemu")?.length, 1);
    for (const { id } of [first, second]) {
      const others = sandboxProcesses(id);
      assert.deepEqual([...others.keys()], ["relay"], "no machine of its own");
      assert.equal((await place.state(id)).status, "running");
    }
    const boot = async (id: string) =>
      (await place.must(["exec", id, "cat", "/proc/sys/kernel/random/boot_id"])).stdout;
    assert.equal(await boot(first.id), await boot(second.id));
    assert.equal(await boot(pod), await boot(second.id));

    first.engine.write("through\n");
    assert.equal(await first.engine.processStatus, 3);
    // Output and status arrive on different pipes.
    await eventually("its output", () => (first.engine.output() === "got through\n" ? true : undefined));
    await place.untilStatus(first.id, "stopped");
    const listed = (await place.must(["list", "--quiet"])).stdout.split("\n");
    for (const id of [pod, first.id, second.id]) assert.ok(listed.includes(id), id);
    refused(await place.runtime(["start", first.id]), /stopped/);
    await place.must(["delete", first.id]);
    assert.equal((await place.state(second.id)).status, "running");
    assert.equal((await place.state(pod)).status, "running");

    await place.must(["pause", second.id]);
    assert.equal((await place.state(second.id)).status, "paused");
    await place.must(["resume", second.id]);
    await place.must(["kill", second.id, "KILL"]);
    assert.equal(await second.engine.processStatus, 137);
    await place.untilStatus(second.id, "stopped");
    await place.must(["delete", second.id]);
    refused(await place.runtime(["state", second.id]), /does not exist/);
  });

  it("has one /dev/shm, IPC and UTS namespace, and one pid namespace for those that ask for it", async () => {
    const { pid } = await place.state(pod);
    await place.must(["exec", pod, "sh", "-c", "echo note > /dev/shm/note"]);
    const script = "cat /dev/shm/note; hostname; cat /proc/1/cmdline | tr '\\0' ' '; readlink /proc/self/ns/ipc";
    const ran: string[] = [];
    for (const shared of [true, false]) {
      const bundle = await place.bundle(inSandbox(pod), shell(script), (config) => {
        const path = (name: string) => (shared ? { path: `/proc/${pid}/ns/${name}` } : {});
        const types = [
          ["pid", "pid"],
          ["ipc", "ipc"],
          ["uts", "uts"],
        ] as const;
        config.linux.namespaces = types.map(([type, name]) => ({ type, ...path(name) }));
        config.linux.namespaces.push({ type: "mount" }, { type: "network" });
      });
      const finished = await place.runtime(["run", "--bundle", bundle.directory, newMember()]);
      assert.equal(finished.status, 0, show(finished));
      ran.push(finished.stdout);
    }
    const [sharing = "", own = ""] = ran;
    assert.match(sharing, /^note\n.*\n.*echo up/);
    assert.match(own, /^note\n.*\n.*dev\/shm\/note/);
    const seen = ran.map((text) => [text.split("\n")[1], /ipc:\[\d+\]/.exec(text)?.[0]]);
    assert.deepEqual(seen[0], seen[1]);
  });

  it("has its vCPUs limited on the host to what its running containers may use together", async (t) => {
    if (cpuHierarchy === undefined) {
      t.skip("this host has no version 1 hierarchy with the cpu controller");
      return;
    }
    const quota = path.join(cpuHierarchy, "kumite", pod, "vm", "vcpu", "cpu.cfs_quota_us");
    const limit = (quotaUs: number): Patch => {
      return (config) => {
        config.linux.resources = { ...config.linux.resources, cpu: { quota: quotaUs, period: 100_000 } };
      };
    };
    const untilQuota = (wanted: string) =>
      eventually(`a quota of ${wanted}`, () => (readFileSync(quota, "utf8").trim() === wanted ? true : undefined));
    const first = await startMember("read line", newMember(), limit(50_000));
    const second = await startMember("read line", newMember(), limit(30_000));
    await untilQuota("80000");
    first.engine.write("end\n");
    await untilQuota("30000");
    second.engine.write("end\n");
    await untilQuota("-1");
  });

  it("is distinguished from its containers by the annotations of each engine", async () => {
    for (const engine of Object.keys(podEngines) as PodEngine[]) {
      const bundle = await place.bundle(inSandbox(pod, engine), shell("echo $0; exit 5"));
      const ran = await place.runtime(["run", "--bundle", bundle.directory, newMember()]);
      assert.equal(ran.status, 5, `${engine}: ${show(ran)}`);
    }
  });

  it("refuses what cannot be added to it, and says why", async () => {
    const unknown = await place.bundle(inSandbox("no-such-sandbox"), forever);
    const id = newMember();
    refused(
      await place.runtime(["create", "--bundle", unknown.directory, id]),
      /sandbox no-such-sandbox does not exist/,
    );
    const nameless = await place.bundle((config) => {
      config.annotations = { "io.kubernetes.cri.container-type": "container" };
    });
    refused(
      await place.runtime(["create", "--bundle", nameless.directory, id]),
      /config\.json: annotations: Could not find sandbox ID/,
    );
    const strange = await place.bundle((config) => {
      config.annotations = { "io.kubernetes.cri-o.ContainerType": "strange" };
    });
    refused(await place.runtime(["create", "--bundle", strange.directory, id]), /Unknown container type strange/);
    const { id: member } = await startMember("while :; do sleep 1; done");
    const again = await place.bundle(inSandbox(pod), forever);
    refused(await place.runtime(["create", "--bundle", again.directory, member]), /exists/);
    const inMember = await place.bundle(inSandbox(member), forever);
    refused(await place.runtime(["create", "--bundle", inMember.directory, id]), /is not a sandbox/);
    const missing = await place.bundle(inSandbox(pod), (config) => {
      config.process.args = ["/no/such/program"];
    });
    refused(await place.runtime(["create", "--bundle", missing.directory, id]), /no such file|not found/);
    assert.deepEqual([...sandboxProcesses(id)], []);
    refused(await place.runtime(["state", id]), /does not exist/);
    assert.equal((await place.state(member)).status, "running");
  });

  it("removes a container whose create or relay is killed, and continues", async () => {
    const { id, engine } = await startMember("while :; do sleep 1; done");
    process.kill(await processOf(id, "relay"), "SIGKILL");
    assert.equal(await engine.processStatus, 137);
    await place.untilStatus(id, "stopped");
    await place.must(["delete", id]);

    const killed = newMember();
    const bundle = await place.bundle(inSandbox(pod), forever);
    const creating = place.begin(["create", "--bundle", bundle.directory, killed]);
    await processOf(killed, "relay");
    const { child } = creating;
    // It may have ended by itself meanwhile.
    child.kill("SIGKILL");
    await eventually("the verb is gone", () => child.signalCode ?? child.exitCode ?? undefined);
    await place.must(["delete", "--force", killed]);
    await creating.finished;
    assert.deepEqual([...sandboxProcesses(killed)], []);
    await place.runDetached(bundle, newMember());
    assert.equal((await place.state(pod)).status, "running");
  });
});

describe("the end of a pod", onlyKumite, () => {
  let place: Workplace;
  let pause: Bundle;
  before(async () => {
    place = await Workplace.open("pod-end");
    pause = await place.bundle(asSandbox(), forever);
  });
  after(() => place[Symbol.asyncDispose]());
  guardAgainstLeftOvers(() => ({ directories: [place.root] }));

  async function podWithMember(): Promise<{ pod: string; member: string }> {
    const pod = await place.runDetached(pause);
    return { pod, member: await place.runDetached(await place.bundle(inSandbox(pod), forever)) };
  }

  it("ends its containers with 137, which can be deleted in any order", async () => {
    const { pod, member } = await podWithMember();
    refused(await place.runtime(["delete", pod]), /not stopped/);
    await place.must(["kill", pod, "KILL"]);
    await place.untilStatus(pod, "stopped");
    await place.untilStatus(member, "stopped");
    const late = await place.bundle(inSandbox(pod), forever);
    refused(await place.runtime(["create", "--bundle", late.directory, place.newId()]), /sandbox .* is not running/);
    await place.must(["delete", pod]);
    assert.equal((await place.state(member)).status, "stopped");
    await place.must(["delete", member]);
    assert.deepEqual([...sandboxProcesses(pod), ...sandboxProcesses(member)], []);
  });

  it("caused by the death of its shim leaves containers that can be deleted", async () => {
    const { pod, member } = await podWithMember();
    process.kill(await processOf(pod, "shim"), "SIGKILL");
    await place.untilStatus(member, "stopped");
    await place.untilStatus(pod, "stopped");
    await place.must(["delete", "--force", member]);
    await place.must(["delete", "--force", pod]);
    assert.deepEqual([...sandboxProcesses(pod), ...sandboxProcesses(member)], []);
  });

  function refused(finished: Finished, reason: RegExp): void {
    assert.notEqual(finished.status, 0, show(finished));
    assert.match(finished.stderr, reason);
  }
});
