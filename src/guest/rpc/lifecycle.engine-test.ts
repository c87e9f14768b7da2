import { assert } from "../../sys/engine/testing/assert.ts";
import { describe, it } from "../../sys/engine/testing/suite.ts";
import { os, startAgent } from "../testing/agent.testing.ts";
import { createContainer, freshPorts, removeContainer, run, startContainer } from "../testing/container.testing.ts";
import { specOf } from "../testing/spec.testing.ts";

describe("the life of a container", () => {
  it("goes from created through running to stopped, and nothing is left after its removal", async () => {
    await using agent = await startAgent();
    const before = await agent.state();
    const process = await createContainer(agent, specOf(["sh", "-c", "read line; echo got $line; exit 7"]), "web");
    await agent.client.startContainer({ containerId: "web" });
    assert.deepEqual(await process.finish("a line\n"), { out: "got a line\n", err: "", status: 7 });
    await removeContainer(agent, "web");
    assert.deepEqual(await agent.state(), before);
    await assert.rejects(agent.client.waitProcess({ containerId: "web" }), { code: "container/not-found" });
  });

  it("runs nothing of the program before its start", async () => {
    await using agent = await startAgent();
    const process = await createContainer(agent, specOf(["touch", "/ran"]), "web");
    const marker = `${agent.shared}/box/rootfs/ran`;
    assert.equal(await os.files.status(marker), undefined);
    await agent.client.startContainer({ containerId: "web" });
    assert.equal(await process.status(), 0);
  });

  it("refuses what its state does not allow", async () => {
    await using agent = await startAgent();
    const { client } = agent;
    const process = await createContainer(agent, specOf(["cat"]), "web");
    await assert.rejects(createContainer(agent, specOf(["cat"]), "web"), { code: "container/exists" });
    await client.startContainer({ containerId: "web" });
    await assert.rejects(client.startContainer({ containerId: "web" }), { code: "container/wrong-state" });
    await process.finish();
    await assert.rejects(client.startContainer({ containerId: "web" }), { code: "container/wrong-state" });
    await assert.rejects(client.startContainer({ containerId: "other" }), { code: "container/not-found" });
    await removeContainer(agent, "web");
    await assert.rejects(client.removeContainer({ containerId: "web" }), { code: "container/not-found" });
  });

  it("ends with a removal, whatever runs in it", async () => {
    await using agent = await startAgent();
    const before = await agent.state();
    const script = "trap '' TERM HUP INT; (sleep 1000 &); while :; do sleep 1000; done";
    await startContainer(agent, specOf(["sh", "-c", script]), "web");
    await agent.client.removeContainer({ containerId: "web", timeout: 10 });
    assert.deepEqual(await agent.state(), before);
  });

  it("can be removed before it was started", async () => {
    await using agent = await startAgent();
    const before = await agent.state();
    const process = await createContainer(agent, specOf(["cat"]), "web");
    const waiting = process.status();
    await removeContainer(agent, "web");
    assert.equal(await waiting, 137);
    assert.deepEqual(await agent.state(), before);
  });

  it("has one exit status for all who wait, before and after the end", async () => {
    await using agent = await startAgent();
    const process = await startContainer(agent, specOf(["sh", "-c", "read line; exit 3"]));
    const early = [process.status(), process.status()];
    await process.stdin.end();
    assert.deepEqual(await Promise.all([...early, process.status()]), [3, 3, 3]);
  });

  it("reports a killed process as 128 and the signal", async () => {
    await using agent = await startAgent();
    const process = await startContainer(agent, specOf(["sh", "-c", "(sleep 1000); exit 1"]));
    await agent.client.signalProcess({ containerId: process.containerId, execId: process.execId, signal: 9 });
    assert.equal(await process.status(), 137);
    assert.equal((await run(agent, "sh -c 'kill -SEGV $$'; exit $?")).status, 139);
  });

  it("leaves no zombies of orphaned processes", async () => {
    await using agent = await startAgent();
    const before = await agent.state();
    const process = await startContainer(agent, specOf(["sh", "-c", "for i in 1 2 3 4 5; do (true &) ; done; read x"]));
    await process.stdin.end();
    await process.status();
    await removeContainer(agent, process.containerId);
    assert.deepEqual((await agent.state()).processes, before.processes);
  });

  it("ends for all containers, with their storages, when the sandbox is destroyed", async () => {
    await using agent = await startAgent();
    const before = await agent.state();
    await startContainer(agent, specOf(["sleep", "1000"], { linux: { cgroupsPath: "/pod/a" } }));
    await startContainer(agent, specOf(["sleep", "1000"], { linux: { cgroupsPath: "/pod/b" } }));
    await agent.client.destroySandbox({});
    const { cgroups, mounts, processes } = await agent.state();
    assert.deepEqual(cgroups, ["./agent"]);
    assert.deepEqual(
      mounts.filter((path) => path.includes("kata-containers")),
      [],
    );
    assert.deepEqual(processes, before.processes);
    await assert.rejects(createContainer(agent, specOf(["true"])), { code: "container/wrong-state" });
    await agent.client.destroySandbox({});
    await agent.client.createSandbox({ sandboxId: "again" });
  });

  it("does not begin with a port that is in use", async () => {
    await using agent = await startAgent();
    const before = await agent.state();
    const ports = { ...freshPorts(), stdoutPort: 1024 };
    const fields = agent.client.specFields(specOf(["true"]));
    await assert.rejects(agent.client.createContainer({ containerId: "web", ...fields, ...ports }), {
      code: "usage/invalid",
    });
    assert.deepEqual(await agent.state(), before);
  });
});
