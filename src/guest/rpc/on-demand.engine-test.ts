/**
 * Pausing, updating and measuring containers. Tests that need controllers which this host uses elsewhere run in VMs.
 */
import { assert } from "../../sys/engine/testing/assert.ts";
import { describe, it } from "../../sys/engine/testing/suite.ts";
import { decodeUtf8 } from "../../util/text.ts";
import { startAgent, type TestAgent } from "../testing/agent.testing.ts";
import { createContainer, execIn, removeContainer, startContainer } from "../testing/container.testing.ts";
import { processOf, specOf } from "../testing/spec.testing.ts";

async function pids(agent: TestAgent, containerId: string): Promise<number[]> {
  const { processList } = await agent.client.listProcesses({ containerId, format: "json" });
  return JSON.parse(decodeUtf8(processList)) as number[];
}

const counting = "i=0; while :; do i=$((i+1)); echo $i > /tmp/$COUNTER; done";

describe("a paused container", () => {
  it("runs nothing until it is resumed, and refuses exec processes meanwhile", async () => {
    await using agent = await startAgent();
    const { client } = agent;
    const { containerId } = await startContainer(agent, specOf(["cat"]), "web");
    await client.pauseContainer({ containerId });
    await client.pauseContainer({ containerId });
    await assert.rejects(execIn(agent, containerId, processOf(["true"])), {
      code: "container/wrong-state",
      message: /container web is paused, not running/,
    });
    await client.resumeContainer({ containerId });
    await client.resumeContainer({ containerId });
    assert.equal((await (await execIn(agent, containerId, processOf(["echo", "on"]))).finish()).out, "on\n");
    await removeContainer(agent, containerId);
  });

  it("can be killed and removed", async () => {
    await using agent = await startAgent();
    const before = await agent.state();
    const process = await startContainer(
      agent,
      specOf(["sh", "-c", counting], { process: { env: ["PATH=/bin", "COUNTER=a"] } }),
    );
    const { containerId } = process;
    await agent.client.pauseContainer({ containerId });
    await agent.client.signalProcess({ containerId, execId: process.execId, signal: 9 });
    assert.equal(await process.status(), 137);
    await assert.rejects(agent.client.pauseContainer({ containerId }), { code: "container/wrong-state" });
    await removeContainer(agent, containerId);
    const other = await startContainer(agent, specOf(["sh", "-c", "sleep 1000 & sleep 1000"]));
    await agent.client.pauseContainer({ containerId: other.containerId });
    const ended = other.status();
    await removeContainer(agent, other.containerId);
    assert.equal(await ended, 137);
    const { descriptors: _now, ...after } = await agent.state();
    const { descriptors: _then, ...earlier } = before;
    assert.deepEqual(after, earlier);
  });

  it("can be one that has not been started", async () => {
    await using agent = await startAgent();
    const process = await createContainer(agent, specOf(["echo", "started"]));
    const { containerId } = process;
    await agent.client.pauseContainer({ containerId });
    const starting = agent.client.startContainer({ containerId });
    await agent.client.resumeContainer({ containerId });
    await starting;
    assert.equal((await process.finish()).out, "started\n");
  });
});

describe("an update", () => {
  it("is refused if it is invalid, the container does not exist, or it has ended", async () => {
    await using agent = await startAgent();
    const process = await startContainer(agent, specOf(["cat"]));
    const { containerId } = process;
    const update = (kumiteOciJson: string) => agent.client.updateContainer({ containerId, kumiteOciJson });
    await assert.rejects(update("{"), { code: "oci/spec-invalid" });
    await assert.rejects(update('{"memory": 5}'), { code: "oci/spec-invalid", message: /linux\.resources\.memory/ });
    await assert.rejects(update('{"cpu": {"cpus": "nine"}}'), {
      code: "cgroup/failed",
      message: /linux\.resources\.cpu\.cpus: "nine" is not a list of numbers/,
    });
    await assert.rejects(agent.client.updateContainer({ containerId }), { code: "usage/invalid" });
    await assert.rejects(update('{"memory": {"limit": 4096, "swap": 1}}'), { message: /swap is below/ });
    await update('{"memory": {"limit": 0}, "cpu": {"cpus": "0-900", "mems": ""}}');
    await update('{"cpu": {"cpus": "900"}}');
    await process.finish();
    await assert.rejects(update("{}"), { code: "container/wrong-state" });
  });
});

describe("the activity of a container", () => {
  it("is listed, as pids and as a table", async () => {
    await using agent = await startAgent();
    const { containerId } = await startContainer(agent, specOf(["sh", "-c", "sleep 1000 & sleep 1001; true"]));
    const expected = ["sh -c sleep 1000 & sleep 1001; true", "sleep 1000", "sleep 1001"];
    const rows = await untilListed(agent, containerId, expected);
    assert.deepEqual(
      rows.map(({ pid }) => pid),
      await pids(agent, containerId),
    );
    const refuse = (format: string, args: string[]) =>
      assert.rejects(agent.client.listProcesses({ containerId, format, args }), { code: "usage/invalid" });
    await refuse("yaml", []);
    await refuse("table", ["--everything"]);
  });

  it("is measured", async () => {
    await using agent = await startAgent();
    const { containerId } = await startContainer(agent, specOf(["sh", "-c", "while :; do :; done"]));
    const { cgroupStats, networkStats } = await agent.client.statsContainer({ containerId });
    assert.equal(cgroupStats?.memoryStats?.useHierarchy, true);
    assert.ok((cgroupStats?.cpuStats?.cpuUsage?.totalUsage ?? 0n) > 0n);
    assert.deepEqual(
      networkStats.map(({ name }) => name),
      ["lo"],
    );
    await assert.rejects(agent.client.statsContainer({ containerId: "other" }), { code: "container/not-found" });
  });
});

interface Row {
  readonly pid: number;
  readonly args: string;
}

/** Until a fork has executed its program, it is listed with its parent's arguments. */
async function untilListed(agent: TestAgent, containerId: string, expected: readonly string[]): Promise<Row[]> {
  const request = { containerId, format: "table", args: ["-o", "pid=,args="] };
  for (;;) {
    const text = decodeUtf8((await agent.client.listProcesses(request)).processList).trimEnd();
    const rows = text.split("\n").map((line) => {
      const [, pid = "", args = ""] = /^ *(\d+) (.*)$/.exec(line) ?? [];
      return { pid: Number(pid), args };
    });
    const found = rows.map(({ args }) => args).sort();
    if (JSON.stringify(found) === JSON.stringify(expected)) return rows;
  }
}
