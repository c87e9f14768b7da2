import { TtrpcConnection } from "../../protocol/ttrpc/connection.ts";
import { grpcCode } from "../../protocol/ttrpc/grpc-code.ts";
import { isTtrpcError } from "../../protocol/ttrpc/status.ts";
import { assert } from "../../sys/engine/testing/assert.ts";
import { describe, it } from "../../sys/engine/testing/suite.ts";
import { isKumiteError } from "../../util/errors.ts";
import { encodeUtf8 } from "../../util/text.ts";
import { startAgent, type TestAgent } from "../testing/agent.testing.ts";
import { execIn, run, startContainer } from "../testing/container.testing.ts";
import { processOf, specOf } from "../testing/spec.testing.ts";

const service = "grpc.AgentService";

const connectionTo = async (agent: TestAgent): Promise<TtrpcConnection> =>
  new TtrpcConnection(await agent.client.dial(1024));

/** The gRPC code of the answer. */
async function codeOf(answer: Promise<unknown>): Promise<number> {
  try {
    await answer;
    return grpcCode.ok;
  } catch (error) {
    if (!isTtrpcError(error)) throw error;
    return error.code;
  }
}

describe("an agent with invalid requests", () => {
  it("refuses them and continues", async () => {
    await using agent = await startAgent();
    const connection = await connectionTo(agent);
    const junk = Uint8Array.from({ length: 64 }, (_, i) => 255 - i);
    for (const method of ["CreateContainer", "ExecProcess", "SignalProcess", "WriteStdin", "CreateSandbox"]) {
      assert.equal(await codeOf(connection.call(service, method, junk)), grpcCode.invalidArgument, method);
    }
    assert.equal(await codeOf(connection.call(service, "NoSuchMethod", junk)), grpcCode.unimplemented);
    assert.equal(await codeOf(connection.call("no.such.Service", "Check", junk)), grpcCode.unimplemented);
    assert.equal(await codeOf(connection.call(service, "GetMetrics", new Uint8Array(0))), grpcCode.unimplemented);
    assert.equal(await codeOf(connection.call(service, "StatsContainer", junk)), grpcCode.invalidArgument);
    assert.equal(await codeOf(connection.call(service, "StatsContainer", new Uint8Array(0))), grpcCode.notFound);
    assert.equal((await run(agent, "echo still here")).out, "still here\n");
  });

  it("survives connections that break their protocol", async () => {
    await using agent = await startAgent();
    for (const text of ["\u0000\u00ff\u00ff\u00ff\u0000\u0000\u0000\u0001\u0001\u0000", "GET / HTTP/1.0\r\n\r\n"]) {
      const stream = await agent.client.dial(1024);
      await stream.write(encodeUtf8(text.repeat(10)));
      stream.close();
    }
    assert.equal((await run(agent, "echo still here")).out, "still here\n");
  });

  it("survives frames that are too long, calls without number, and streams to nowhere", async () => {
    await using agent = await startAgent();
    const before = await agent.state();
    // One byte more than a message may have; an unknown type; a request on an even stream.
    for (const header of [
      [0x00, 0x40, 0x00, 0x01, 0, 0, 0, 1, 1, 0],
      [0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 1, 1, 0],
      [0, 0, 0, 0, 0, 0, 0, 1, 77, 0xff],
      [0, 0, 0, 0, 0, 0, 0, 2, 1, 0],
    ]) {
      const stream = await agent.client.dial(1024);
      await stream.write(Uint8Array.from([...header, ...new Array(64).fill(0xff)]));
      await stream.end();
      while ((await stream.read().catch(() => undefined)) !== undefined);
      stream.close();
    }
    const connection = await connectionTo(agent);
    const calls = Array.from({ length: 2000 }, () => connection.call(service, "StatsContainer", new Uint8Array(0)));
    await Promise.allSettled(calls);
    connection.close();
    const dials = Array.from({ length: 100 }, (_, at) => agent.client.dial(50_000 + at));
    const dialled = await Promise.allSettled(dials);
    assert.deepEqual([...new Set(dialled.map(({ status }) => status))], ["rejected"]);
    assert.equal((await run(agent, "echo still here")).out, "still here\n");
    assert.deepEqual(await agent.state(), before);
  });

  it("refuses requests in the wrong order", async () => {
    await using agent = await startAgent();
    const { client } = agent;
    const web = { containerId: "web" };
    const codes = async (...calls: readonly Promise<unknown>[]): Promise<unknown[]> =>
      (await Promise.allSettled(calls)).map((call) =>
        call.status === "fulfilled" ? "ok" : isKumiteError(call.reason) && call.reason.code,
      );
    const early = await codes(
      client.startContainer(web),
      client.waitProcess(web),
      client.resumeContainer(web),
      client.writeStdin({ ...web, data: new Uint8Array(1) }),
    );
    assert.deepEqual(early, new Array(4).fill("container/not-found"));
    const container = await startContainer(agent, specOf(["cat"]), "web");
    const late = await codes(
      client.startContainer(web),
      client.createContainer({ ...web, ...client.specFields(specOf(["true"])) }),
      client.signalProcess({ ...web, signal: 0x7fff_ffff }),
    );
    assert.deepEqual(late, ["container/wrong-state", "container/exists", "usage/invalid"]);
    assert.equal((await container.finish("hello")).out, "hello");
  });

  it("answers with the codes of the protocol", async () => {
    await using agent = await startAgent();
    await startContainer(agent, specOf(["sleep", "1000"]), "web");
    const { client } = agent;
    const cases: readonly (readonly [Promise<unknown>, string])[] = [
      [client.createSandbox({ sandboxId: "second" }), "container/exists"],
      [client.createContainer({ containerId: "../x", ...client.specFields(specOf(["true"])) }), "container/bad-id"],
      // The requests run concurrently, so each needs its own id.
      [client.createContainer({ containerId: "none" }), "usage/invalid"],
      [client.createContainer({ containerId: "half", kumiteOciJson: "{" }), "oci/spec-invalid"],
      [client.createContainer({ containerId: "empty", kumiteOciJson: "{}" }), "oci/spec-invalid"],
      [client.createContainer({ containerId: "y", kumiteOciJson: "{}", stringUser: { uid: "0" } }), "oci/unsupported"],
      [client.execProcess({ containerId: "web", execId: "e" }), "usage/invalid"],
      [client.waitProcess({ containerId: "web", execId: "none" }), "process/not-found"],
      [client.setGuestDateTime({ Sec: 1n, Usec: 0n }), "agent/denied"],
      [client.reseedRandomDev({ data: new Uint8Array(16) }), "agent/denied"],
    ];
    await Promise.all(cases.map(([answer, code]) => assert.rejects(answer, { code })));
  });

  it("reports correctly what it can do", async () => {
    await using agent = await startAgent();
    const { agentDetails } = await agent.client.getGuestDetails({});
    assert.deepEqual(agentDetails?.storageHandlers, [
      "virtio-fs",
      "9p",
      "blk",
      "mmioblk",
      "scsi",
      "overlayfs",
      "bind",
      "ephemeral",
      "local",
    ]);
    assert.equal(agentDetails?.supportsSeccomp, true);
    assert.equal(agentDetails?.initDaemon, false);
  });

  it("reads a configuration sent only as messages, as other hosts do", async () => {
    await using agent = await startAgent();
    const { OCI } = agent.client.specFields(specOf(["sh", "-c", "hostname; exit 3"]));
    await agent.client.createContainer({ containerId: "web", OCI });
    await agent.client.startContainer({ containerId: "web" });
    assert.equal((await agent.client.waitProcess({ containerId: "web" })).status, 3);
    const target = { containerId: "web", len: 100 };
    assert.deepEqual((await agent.client.readStdout(target)).data, encodeUtf8("box\n"));
    const junk = Uint8Array.from({ length: 64 }, (_, i) => 255 - i);
    await assert.rejects(agent.client.createContainer({ containerId: "junk", OCI: junk }), {
      code: "oci/spec-invalid",
      message: /^the spec message is malformed/,
    });
  });
});

describe("a caller that disconnects", () => {
  it("affects only the calls that it was waiting for", async () => {
    await using agent = await startAgent();
    const process = await startContainer(agent, specOf(["cat"]), "web");
    const connection = await connectionTo(agent);
    const waiting = connection.call(service, "WaitProcess", encodeUtf8("\n\u0003web"));
    connection.close();
    await assert.rejects(waiting, { code: "protocol/closed" });
    assert.equal((await process.finish("hello")).out, "hello");
  });

  it("in the middle of a create leaves no container", async () => {
    await using agent = await startAgent();
    const before = await agent.state();
    for (let round = 0; round < 5; round++) {
      const fields = agent.client.specFields(specOf(["true"]));
      const creating = agent.client.createContainer({ containerId: "web", ...fields }, { timeoutMs: 1 });
      await creating.catch(() => {});
    }
    // The last request may still be running or have succeeded; removing the container shows which.
    await removed(agent, "web");
    await run(agent, "true");
    assert.deepEqual(await agent.state(), before);
  });
});

/** Removes the container, repeatedly as long as it is being created. */
async function removed(agent: TestAgent, containerId: string): Promise<void> {
  for (;;) {
    const failure = await agent.client.removeContainer({ containerId }).then(
      () => undefined,
      (error: unknown) => error,
    );
    if (!isKumiteError(failure, "container/wrong-state")) return;
  }
}

describe("an agent under load", () => {
  it("serves many containers and processes at the same time", async () => {
    const askedOf = "tr '\\0' '\\n' < /proc/1/environ | sed -n s/^NAME=//p; cat";
    await using agent = await startAgent();
    const before = await agent.state();
    const containers = await Promise.all(
      Array.from({ length: 8 }, (_, i) =>
        startContainer(agent, specOf(["cat"], { process: { env: [`NAME=h${i}`, "PATH=/bin"] } })),
      ),
    );
    const processes = await Promise.all(
      containers.flatMap(({ containerId }) =>
        Array.from({ length: 4 }, () => execIn(agent, containerId, processOf(["sh", "-c", askedOf]))),
      ),
    );
    const results = await Promise.all(processes.map((process, i) => process.finish(`${i}`)));
    assert.deepEqual(
      results.map(({ out }) => out),
      results.map((_, i) => `h${Math.floor(i / 4)}\n${i}`),
    );
    await Promise.all(containers.map((container) => container.finish()));
    await Promise.all(containers.map(({ containerId }) => agent.client.removeContainer({ containerId })));
    assert.deepEqual(await agent.state(), before);
  });

  it("ends with the process that started it, and so does everything in it", async () => {
    await using agent = await startAgent();
    await startContainer(agent, specOf(["sleep", "1000"]));
    agent.child.kill(9);
    await agent.child.exited;
    // Disposal waits until the agent's cgroups are empty.
  });
});
