import type { OciProcess } from "../../oci/spec.ts";
import { assert } from "../../sys/engine/testing/assert.ts";
import { describe, it } from "../../sys/engine/testing/suite.ts";
import { startAgent } from "../testing/agent.testing.ts";
import { createContainer, execIn, freshPorts, removeContainer, startContainer } from "../testing/container.testing.ts";
import { processOf, specOf } from "../testing/spec.testing.ts";

const shell = (script: string, changes: Partial<OciProcess> = {}) => processOf(["sh", "-c", script], changes);

describe("an exec process", () => {
  it("shares the container's root, processes, names and cgroup", async () => {
    await using agent = await startAgent();
    await startContainer(agent, specOf(["sh", "-c", "echo $$ > /dev/shm/first; sleep 1000"]), "web");
    const script =
      "while ! [ -s /dev/shm/first ]; do :; done; cat /dev/shm/first; hostname; pidof sleep; grep ^0: /proc/self/cgroup";
    const process = await execIn(agent, "web", shell(script));
    assert.deepEqual(await process.finish(), { out: "1\nbox\n1\n0::/\n", err: "", status: 0 });
    const different =
      "for n in mnt uts ipc pid net cgroup; do [ $(readlink /proc/self/ns/$n) = $(readlink /proc/1/ns/$n) ] || echo $n; done";
    const capabilities = { bounding: ["CAP_SYS_PTRACE"], effective: ["CAP_SYS_PTRACE"], permitted: ["CAP_SYS_PTRACE"] };
    assert.equal((await (await execIn(agent, "web", shell(different, { capabilities }))).finish()).out, "");
  });

  it("can run in a cgroup that the container created below its own, and nowhere else", async () => {
    await using agent = await startAgent();
    const mounts = [{ destination: "/cg", type: "cgroup", source: "cgroup", options: ["rw"] }];
    const making = "mkdir /cg/a /cg/b && echo 0 > /cg/a/cgroup.procs && echo ready; cat";
    const first = await startContainer(agent, specOf(["sh", "-c", making], { mounts }), "web");
    await first.stdout.read();
    const into = (kumiteCgroup: string) =>
      execIn(agent, "web", { ...shell("grep ^0: /proc/self/cgroup"), kumiteCgroup } as OciProcess);
    assert.equal((await (await into("/b")).finish()).out, "0::/b\n");
    assert.equal((await (await into("../../b")).finish()).out, "0::/b\n");
    for (const path of ["/c", "c/d"]) {
      await assert.rejects(into(path), { code: "cgroup/failed", message: /no process can be started in its cgroup/ });
    }
  });

  it("has its own user, directory, environment and capabilities", async () => {
    await using agent = await startAgent();
    await startContainer(agent, specOf(["sleep", "1000"]), "web");
    const user = { uid: 1000, gid: 1000, additionalGids: [9], umask: 0o077 };
    const script = "id -u; id -G; pwd; echo $HOME $X; umask; grep NoNew /proc/self/status | cut -f2";
    const process = await execIn(
      agent,
      "web",
      shell(script, { user, cwd: "/tmp", env: ["PATH=/bin", "X=1", "X=2"], noNewPrivileges: false }),
    );
    assert.equal((await process.finish()).out, "1000\n1000 9\n/tmp\n/home/joe 2\n0077\n0\n");
  });

  it("has its own limits, priorities and CPUs", async () => {
    await using agent = await startAgent();
    const first = { rlimits: [{ type: "RLIMIT_NOFILE", soft: 100, hard: 200 }], oomScoreAdj: 500 };
    await startContainer(agent, specOf(["sleep", "1000"], { process: first }), "web");
    // Fields of proc(5): nice, and policy, where 3 is SCHED_BATCH.
    const script =
      "ulimit -n; ulimit -Hn; cat /proc/self/oom_score_adj; cut -d' ' -f19,41 /proc/self/stat; ionice -p $$; " +
      "grep Cpus_allowed_list /proc/self/status | cut -f2";
    const own = {
      rlimits: [{ type: "RLIMIT_NOFILE", soft: 300, hard: 400 }],
      oomScoreAdj: 600,
      scheduler: { policy: "SCHED_BATCH", nice: 5 },
      ioPriority: { class: "IOPRIO_CLASS_BE", priority: 4 },
      execCPUAffinity: { initial: "0", final: "0,900-1000" },
    };
    const { out } = await (await execIn(agent, "web", shell(script, own as never))).finish();
    assert.equal(out.split("\n").slice(0, 6).join("\n"), "300\n400\n600\n5 3\nbest-effort: prio 4\n0");
    const nowhere = { execCPUAffinity: { final: "1000" } };
    await assert.rejects(execIn(agent, "web", shell("true", nowhere as never)), {
      code: "agent/failed",
      message: "setting process.execCPUAffinity.final: sched_setaffinity: invalid argument",
    });
  });

  it("is refused by the call if its program does not exist, and leaves nothing", async () => {
    await using agent = await startAgent();
    await startContainer(agent, specOf(["sleep", "1000"]), "web");
    const before = await agent.state();
    await assert.rejects(execIn(agent, "web", processOf(["nosuch"])), {
      code: "process/executable-not-found",
      message: 'exec: "nosuch": executable file not found in $PATH',
    });
    await assert.rejects(execIn(agent, "web", shell("", { cwd: "/none" })), { code: "agent/failed" });
    assert.deepEqual(await agent.state(), before);
  });

  it("cannot have the id of another running one, of the first process, or none", async () => {
    await using agent = await startAgent();
    await startContainer(agent, specOf(["sleep", "1000"]), "web");
    const first = await execIn(agent, "web", processOf(["cat"]), "one");
    await assert.rejects(execIn(agent, "web", processOf(["cat"]), "one"), { code: "process/exists" });
    await assert.rejects(execIn(agent, "web", processOf(["cat"]), "web"), { code: "process/exists" });
    await assert.rejects(execIn(agent, "web", processOf(["cat"]), ""), { code: "container/bad-id" });
    assert.equal((await first.finish()).status, 0);
    assert.equal((await (await execIn(agent, "web", shell("exit 4"), "one")).finish()).status, 4);
  });

  it("needs a container that has not stopped", async () => {
    await using agent = await startAgent();
    await assert.rejects(execIn(agent, "web", processOf(["true"])), { code: "container/not-found" });
    const first = await createContainer(agent, specOf(["true"]), "web");
    assert.equal((await (await execIn(agent, "web", shell("exit 5"))).finish()).status, 5);
    await agent.client.startContainer({ containerId: "web" });
    await first.status();
    await assert.rejects(execIn(agent, "web", processOf(["true"])), { code: "container/wrong-state" });
  });

  it("ends with the container", async () => {
    await using agent = await startAgent();
    const before = await agent.state();
    const first = await startContainer(agent, specOf(["cat"]), "web");
    const process = await execIn(agent, "web", shell("trap '' TERM; sleep 1000"));
    await first.finish();
    assert.equal(await process.status(), 137);
    await removeContainer(agent, "web");
    assert.deepEqual(await agent.state(), before);
  });

  it("can be waited for again after its end if an answer was lost", async () => {
    await using agent = await startAgent();
    await startContainer(agent, specOf(["sleep", "1000"]), "web");
    const process = await execIn(agent, "web", shell("exit 6"));
    await process.finish();
    assert.equal(await process.status(), 6);
    assert.equal(await process.status(), 6);
  });

  it("leaves nothing that takes memory or descriptors, even the hundredth time", async () => {
    await using agent = await startAgent();
    await startContainer(agent, specOf(["sleep", "1000"]), "web");
    await (await execIn(agent, "web", processOf(["true"]))).finish();
    const before = await agent.state();
    for (let i = 0; i < 100; i++)
      assert.equal((await (await execIn(agent, "web", processOf(["true"]))).finish()).status, 0);
    assert.deepEqual(await agent.state(), before);
  });
});

describe("a signal", () => {
  const send = (agent: Awaited<ReturnType<typeof startAgent>>, execId: string, signal: number) =>
    agent.client.signalProcess({ containerId: "web", execId, signal });

  it("reaches only the process it is meant for", async () => {
    await using agent = await startAgent();
    const caught = "trap 'echo caught; exit 3' TERM; echo ready; while :; do sleep 0.01; done";
    const first = await startContainer(agent, specOf(["sh", "-c", caught]), "web");
    const one = await execIn(agent, "web", shell("sleep 1000"));
    const other = await execIn(agent, "web", shell(caught));
    await Promise.all([first.stdout.read(), other.stdout.read()]);
    await send(agent, one.execId, 15);
    assert.equal(await one.status(), 143);
    await send(agent, other.execId, 15);
    assert.equal(await other.status(), 3);
    await send(agent, "web", 15);
    assert.equal(await first.status(), 3);
  });

  it("that asks a first process to end becomes SIGKILL if the process would never get it", async () => {
    await using agent = await startAgent();
    const first = await startContainer(agent, specOf(["sleep", "1000"]), "web");
    await send(agent, "web", 15);
    assert.equal(await first.status(), 137);
  });

  it("that cannot be ignored reaches what the first process has left in another one's pid namespace", async () => {
    await using agent = await startAgent();
    await startContainer(agent, specOf(["sleep", "1000"]), "first");
    const fields = agent.client.specFields(specOf(["sh", "-c", "(sleep 1000 &); exit 0"]));
    await agent.client.createContainer({
      containerId: "web",
      execId: "web",
      ...fields,
      ...freshPorts(),
      sandboxPidns: true,
    });
    await agent.client.startContainer({ containerId: "web" });
    await agent.client.waitProcess({ containerId: "web", execId: "web" });
    const { processes } = await agent.state();
    assert.equal(processes.filter((name) => name === "sleep").length, 2);
    await send(agent, "", 9);
    await removeContainer(agent, "web");
    assert.equal((await agent.state()).processes.filter((name) => name === "sleep").length, 1);
  });

  it("without a process id is for all of them", async () => {
    await using agent = await startAgent();
    const ready = "trap 'exit 3' USR1; echo ready; while :; do sleep 0.01; done";
    const first = await startContainer(agent, specOf(["sh", "-c", ready]), "web");
    const other = await execIn(agent, "web", shell(ready));
    await Promise.all([first.stdout.read(), other.stdout.read()]);
    await send(agent, "", 10);
    assert.equal(await first.status(), 3);
    assert.ok([3, 137].includes(await other.status()));
  });

  it("is ignored for a process that has ended, and refused if its number is invalid", async () => {
    await using agent = await startAgent();
    const first = await startContainer(agent, specOf(["cat"]), "web");
    const other = await execIn(agent, "web", shell("exit 0"));
    await other.finish();
    await send(agent, other.execId, 9);
    await assert.rejects(send(agent, "nobody", 9), { code: "process/not-found" });
    await assert.rejects(send(agent, "web", 0), { code: "usage/invalid" });
    await assert.rejects(send(agent, "web", 65), { code: "usage/invalid" });
    await first.finish();
    await send(agent, "web", 9);
    await send(agent, "", 15);
  });
});
