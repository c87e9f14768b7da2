/** Requests that no honest host makes: each is refused with a reason, and leaves nothing behind. */
import { assert } from "../../sys/engine/testing/assert.ts";
import { describe, it } from "../../sys/engine/testing/suite.ts";
import { isKumiteError, messageOf } from "../../util/errors.ts";
import { startAgent, type TestAgent } from "../testing/agent.testing.ts";
import { codeOf } from "../testing/code-of.testing.ts";
import { run, startContainer } from "../testing/container.testing.ts";
import { processOf, type SpecChanges, specOf } from "../testing/spec.testing.ts";

async function counted(answers: readonly Promise<unknown>[]): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const code of await Promise.all(answers.map(codeOf))) counts[code] = (counts[code] ?? 0) + 1;
  return counts;
}

const many = <T>(make: (index: number) => T): T[] => Array.from({ length: 20 }, (_, index) => make(index));

const create = (agent: TestAgent, containerId: string, spec: unknown): Promise<unknown> =>
  agent.client.createContainer({ containerId, kumiteOciJson: JSON.stringify(spec) });

/** A specification in which the value at this path has been replaced. */
function withValue(path: string, value: unknown): unknown {
  const spec = JSON.parse(JSON.stringify(specOf(["true"]))) as Record<string, unknown>;
  const keys = path.split(".");
  const last = keys.pop() ?? "";
  let at = spec;
  for (const key of keys) {
    at[key] ??= {};
    at = at[key] as Record<string, unknown>;
  }
  at[last] = value;
  return spec;
}

const wrongKinds: readonly unknown[] = [
  -1,
  1.5,
  1e300,
  "text",
  true,
  [],
  {},
  [[]],
  [null],
  [{}],
  [-1],
  { a: [] },
  "\0",
];

const keys = [
  "process",
  "process.args",
  "process.env",
  "process.cwd",
  "process.user",
  "process.user.uid",
  "process.user.additionalGids",
  "process.capabilities.bounding",
  "process.rlimits",
  "process.oomScoreAdj",
  "process.consoleSize",
  "process.ioPriority",
  "process.scheduler",
  "root",
  "root.path",
  "hostname",
  "mounts",
  "hooks",
  "hooks.createContainer",
  "annotations",
  "linux",
  "linux.namespaces",
  "linux.uidMappings",
  "linux.devices",
  "linux.sysctl",
  "linux.seccomp",
  "linux.rootfsPropagation",
  "linux.maskedPaths",
  "linux.cgroupsPath",
  "linux.personality",
  "linux.timeOffsets",
  "linux.resources",
  "linux.resources.devices",
  "linux.resources.memory",
  "linux.resources.memory.limit",
  "linux.resources.cpu",
  "linux.resources.cpu.quota",
  "linux.resources.cpu.cpus",
  "linux.resources.pids",
  "linux.resources.pids.limit",
  "linux.resources.blockIO",
  "linux.resources.hugepageLimits",
  "linux.resources.unified",
  "linux.resources.rdma",
];

const badIds = ["", ".", "..", "../x", "a/b", "/etc", "-a", "a b", "a\n", "a\0b", "\u00e4", "x".repeat(129), "%s"];
const badPoints = ["", "relative", "/", "/..", "/../..", "/a\0b"];

describe("an agent with a hostile host", () => {
  it("accepts no id that could be a path", async () => {
    await using agent = await startAgent();
    await startContainer(agent, specOf(["sleep", "1000"]), "web");
    const process = JSON.stringify(processOf(["true"]));
    for (const id of badIds) {
      assert.equal(await codeOf(create(agent, id, specOf(["true"]))), "container/bad-id", id);
      const exec = { containerId: "web", execId: id, kumiteOciJson: process };
      assert.equal(await codeOf(agent.client.execProcess(exec)), "container/bad-id", id);
      const { client } = agent;
      const target = { containerId: id, execId: id };
      const asked = await counted([
        client.startContainer(target),
        client.waitProcess(target),
        client.signalProcess({ ...target, signal: 9 }),
        client.statsContainer(target),
        client.removeContainer(target),
        client.pauseContainer(target),
        client.listProcesses(target),
        client.execProcess({ ...target, execId: "e", kumiteOciJson: process }),
      ]);
      assert.deepEqual(asked, { "container/not-found": 8 }, id);
    }
  });

  it("mounts nothing at a wrong place, and nothing that it does not know", async () => {
    await using agent = await startAgent();
    const before = await agent.state();
    const { client } = agent;
    const made = (storage: object): Promise<unknown> =>
      client.createContainer({ containerId: "web", storages: [storage], ...client.specFields(specOf(["true"])) });
    for (const mountPoint of badPoints) {
      const storage = { driver: "ephemeral", fstype: "tmpfs", source: "tmpfs", mountPoint };
      assert.equal(await codeOf(made(storage)), "usage/invalid", mountPoint);
    }
    const strange: readonly object[] = [
      { driver: "", mountPoint: "/run/x" },
      { driver: "__proto__", mountPoint: "/run/x" },
      { driver: "nfs", mountPoint: "/run/x" },
      { driver: "ephemeral", fstype: "proc", mountPoint: "/run/x" },
      { driver: "bind", source: "relative", mountPoint: "/run/x" },
    ];
    for (const storage of strange) assert.equal(await codeOf(made(storage)), "usage/invalid", JSON.stringify(storage));
    for (const storage of [
      { driver: "bind", source: "/no/such/file", mountPoint: "/run/x" },
      { driver: "bind", source: `/${"../".repeat(1000)}no`, mountPoint: "/run/x" },
      { driver: "overlayfs", source: "o", fstype: "overlay", options: ["lowerdir=/no"], mountPoint: "/run/x" },
      { driver: "ephemeral", fstype: "tmpfs", source: "t", options: ["size=x"], mountPoint: "/run/x" },
    ]) {
      assert.equal(await codeOf(made(storage)), "storage/failed", JSON.stringify(storage));
    }
    assert.deepEqual(await agent.state(), before);
  });

  it("refuses values of a wrong type with their key, or does not use them", async () => {
    await using agent = await startAgent();
    await run(agent, "true");
    const before = await agent.state();
    let refused = 0;
    for (const key of keys) {
      for (const value of wrongKinds) {
        const what = `${key} = ${JSON.stringify(value)}`;
        const failure = await create(agent, "web", withValue(key, value)).then(
          () => undefined,
          (error: unknown) => error,
        );
        if (failure === undefined) {
          await agent.client.removeContainer({ containerId: "web" });
          continue;
        }
        refused += 1;
        const code = isKumiteError(failure) ? failure.code : "none";
        assert.ok(
          code !== "none" && code !== "internal" && code !== "agent/unreachable",
          `${what}: ${messageOf(failure)}`,
        );
        assert.ok(!/undefined|\[object|not a function|cannot read/.test(messageOf(failure)), messageOf(failure));
      }
    }
    assert.ok(refused > keys.length * 6, `${refused} refused`);
    assert.deepEqual(await agent.state(), before);
  });

  it("does once what is requested many times at once", async () => {
    await using agent = await startAgent();
    await run(agent, "true");
    const before = await agent.state();
    const { client } = agent;
    const web = { containerId: "web" };
    const spec: SpecChanges = {};
    assert.equal((await counted(many(() => create(agent, "web", specOf(["sleep", "1000"], spec))))).ok, 1);
    assert.equal((await counted(many(() => client.startContainer(web)))).ok, 1);
    const kumiteOciJson = JSON.stringify(processOf(["sleep", "1000"]));
    const execs = await counted(many(() => client.execProcess({ ...web, execId: "e", kumiteOciJson })));
    assert.deepEqual(execs, { ok: 1, "process/exists": 19 });
    assert.equal(
      (await counted(many((index) => client.signalProcess({ ...web, signal: index === 0 ? 9 : 15 })))).ok,
      20,
    );
    assert.deepEqual(await counted(many(() => client.waitProcess(web))), { ok: 20 });
    assert.equal((await counted(many(() => client.removeContainer(web)))).ok, 1);
    assert.deepEqual(await agent.state(), before);
  });

  it("gives a port to one stream of one process, and its own port to none", async () => {
    await using agent = await startAgent();
    const before = await agent.state();
    const { client } = agent;
    const spec = client.specFields(specOf(["true"]));
    for (const ports of [
      { stdinPort: 1024 },
      { stdoutPort: 1024 },
      { stdinPort: 7, stdoutPort: 7 },
      { stdoutPort: 7, stderrPort: 7 },
    ]) {
      assert.equal(await codeOf(client.createContainer({ containerId: "web", ...spec, ...ports })), "usage/invalid");
    }
    assert.deepEqual(await agent.state(), before);
  });

  it("refuses numbers that make no sense", async () => {
    await using agent = await startAgent();
    const terminal = specOf(["sleep", "1000"], { process: { terminal: true } });
    await agent.client.createContainer({ containerId: "web", ...agent.client.specFields(terminal) });
    const { client } = agent;
    const web = { containerId: "web" };
    for (const signal of [0, 65, 0xffff_ffff]) {
      assert.equal(await codeOf(client.signalProcess({ ...web, signal })), "usage/invalid", `${signal}`);
    }
    for (const size of [{ row: 0x1_0000 }, { column: 0xffff_ffff }]) {
      assert.equal(await codeOf(client.ttyWinResize({ ...web, ...size })), "usage/invalid");
    }
    await client.startContainer(web);
    assert.equal(await codeOf(client.readStdout({ ...web, len: 0xffff_ffff }, { timeoutMs: 1 })), "agent/timeout");
    await client.signalProcess({ ...web, signal: 9 });
    // Longer than a timer can be set to.
    assert.equal(await codeOf(client.removeContainer({ ...web, timeout: 0xffff_ffff })), "ok");
  });
});
