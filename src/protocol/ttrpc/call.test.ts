import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { deferred } from "../../util/deferred.ts";
import { KumiteError } from "../../util/errors.ts";
import { AgentServiceDefinition } from "../gen/kata/agent-service.ts";
import { HealthDefinition } from "../gen/kata/health.ts";
import { ttrpcClient } from "./client.ts";
import { TtrpcConnection } from "./connection.ts";
import { maxDataLength } from "./frame.ts";
import { grpcCode } from "./grpc-code.ts";
import { serve } from "./server.ts";
import { ttrpcService } from "./service-table.ts";
import { TtrpcError } from "./status.ts";
import { connect, pair, RawPeer, serving } from "./ttrpc.testing.ts";

describe("a call", () => {
  it("sends the request to its handler and the answer back, with defaults for what was omitted", async () => {
    const { agent } = connect({
      readStdout: ({ containerId, execId, len }) => ({
        data: new TextEncoder().encode(`${containerId}|${execId}|${len}`),
      }),
    });
    const { data } = await agent.readStdout({ containerId: "web", len: 7 });
    assert.equal(new TextDecoder().decode(data), "web||7");
  });

  it("does not wait for the calls before it", async () => {
    const release = deferred<{ status: number }>();
    const { agent } = connect({
      waitProcess: () => release.promise,
      signalProcess: () => ({}),
    });
    const waiting = agent.waitProcess({ containerId: "web" });
    await agent.signalProcess({ containerId: "web", signal: 9 });
    release.resolve({ status: 137 });
    assert.equal((await waiting).status, 137);
  });

  it("gets its own answer in whatever order answers arrive and however the bytes are cut", async () => {
    const sizes = fc.array(fc.integer({ min: 0, max: 5000 }), { minLength: 1, maxLength: 20 });
    const cuts = fc.infiniteStream(fc.integer({ min: 1, max: 3000 }));
    await fc.assert(
      fc.asyncProperty(sizes, cuts, fc.scheduler(), async (lengths, reads, scheduler) => {
        const { agent, connection } = connect(
          {
            readStdout: ({ len }) => scheduler.schedule(Promise.resolve({ data: new Uint8Array(len).fill(len) })),
          },
          {},
          { nextReadLength: () => reads.next().value as number },
        );
        const answers = Promise.all(lengths.map((len) => agent.readStdout({ len })));
        await scheduler.waitFor(answers);
        for (const [index, { data }] of (await answers).entries()) {
          assert.equal(data.length, lengths[index]);
          assert.ok(data.every((byte) => byte === data.length % 256));
        }
        connection.close();
      }),
      { numRuns: 30 },
    );
  });

  it("fails with the handler's error and its gRPC code, and the connection continues", async () => {
    const { agent } = connect({
      startContainer: () => {
        throw new TtrpcError(grpcCode.failedPrecondition, "it runs already");
      },
      removeContainer: () => Promise.reject(new KumiteError("container/not-found", "no container web", { hint: "h" })),
      pauseContainer: () => ({}),
    });
    await assert.rejects(agent.startContainer({}), { name: "TtrpcError", code: 9, message: "it runs already" });
    await assert.rejects(agent.removeContainer({}), (error) => {
      assert.ok(error instanceof TtrpcError && error.code === grpcCode.notFound);
      return error.remote?.code === "container/not-found" && error.remote.hint === "h";
    });
    await agent.pauseContainer({});
  });

  it("to a method that is not implemented or not served fails with unimplemented", async () => {
    const { agent, connection } = connect({});
    await assert.rejects(agent.getMetrics({}), {
      code: 12,
      message: "method grpc.AgentService/GetMetrics is not implemented",
    });
    const health = ttrpcClient(HealthDefinition, connection);
    await assert.rejects(health.check({}), { code: 12, message: "service grpc.Health is not served here" });
  });

  it("reaches a service by any name it is served under", async () => {
    const { client, server } = pair();
    serve(server, [ttrpcService(HealthDefinition, serving, "v2"), ttrpcService(HealthDefinition, serving, "v3")]);
    const connection = new TtrpcConnection(client);
    for (const serviceName of ["v2", "v3"]) {
      assert.equal((await ttrpcClient(HealthDefinition, connection, { serviceName }).check({})).status, 1);
    }
  });

  it("carries metadata", async () => {
    const seen = deferred<ReadonlyMap<string, string>>();
    const { connection } = connect({
      pauseContainer: (_request, { metadata }) => {
        seen.resolve(metadata);
        return {};
      },
    });
    const agent = ttrpcClient(AgentServiceDefinition, connection, {
      metadata: { "containerd-namespace-ttrpc": "default" },
    });
    await agent.pauseContainer({}, { metadata: { more: "1" } });
    assert.deepEqual(
      [...(await seen.promise)],
      [
        ["containerd-namespace-ttrpc", "default"],
        ["more", "1"],
      ],
    );
  });

  it("carries up to 4 MiB; the sending side refuses more", async () => {
    const { agent } = connect({
      writeStdin: ({ data }) => ({ len: data.length }),
      readStdout: ({ len }) => ({ data: new Uint8Array(len) }),
    });
    const most = maxDataLength - 100;
    assert.equal((await agent.writeStdin({ data: new Uint8Array(most) })).len, most);
    assert.equal((await agent.readStdout({ len: most })).data.length, most);
    await assert.rejects(agent.writeStdin({ data: new Uint8Array(maxDataLength) }), {
      code: 8,
      message: /^grpc.AgentService\/WriteStdin: the request of \d+ bytes/,
    });
    await assert.rejects(agent.readStdout({ len: maxDataLength }), { code: 8, message: /^the answer of \d+ bytes/ });
    assert.equal((await agent.readStdout({ len: 1 })).data.length, 1);
  });
});

describe("a call with a limit", () => {
  it("ends at its timeout, and its handler's signal aborts", async () => {
    const aborted = deferred();
    const { agent } = connect({
      waitProcess: (_request, { signal }) => {
        signal.addEventListener("abort", () => aborted.resolve());
        return new Promise(() => {});
      },
    });
    await assert.rejects(agent.waitProcess({}, { timeoutMs: 5 }), (error) => {
      // Either side's timer may fire first.
      return (
        (error instanceof KumiteError && error.code === "timeout") ||
        (error instanceof TtrpcError && error.code === grpcCode.deadlineExceeded)
      );
    });
    await aborted.promise;
  });

  it("is answered with deadline exceeded even if its handler continues", async () => {
    const { client, server } = pair();
    serve(server, [ttrpcService(HealthDefinition, { check: () => new Promise(() => {}) })]);
    const peer = new RawPeer(client);
    await peer.send(1, "grpc.Health", "Check", { timeoutNano: 1_000_000n });
    assert.equal((await peer.answer(1)).status?.code, grpcCode.deadlineExceeded);
  });

  it("has no time limit by default, even for the longest time that can be expressed", async () => {
    const { agent } = connect({ pauseContainer: () => new Promise((resolve) => setTimeout(() => resolve({}), 5)) });
    await agent.pauseContainer({}, { timeoutMs: Number.POSITIVE_INFINITY });
    const { client, server } = pair();
    serve(server, [ttrpcService(HealthDefinition, serving)]);
    const peer = new RawPeer(client);
    await peer.send(1, "grpc.Health", "Check", { timeoutNano: 2n ** 63n - 1n });
    assert.equal((await peer.answer(1)).status, undefined);
  });

  it("ends when its signal aborts, and a late answer is ignored", async () => {
    const release = deferred<{ status: number }>();
    const { agent } = connect({ waitProcess: () => release.promise, pauseContainer: () => ({}) });
    const controller = new AbortController();
    const waiting = agent.waitProcess({}, { signal: controller.signal });
    await agent.pauseContainer({});
    controller.abort();
    await assert.rejects(waiting, { code: "aborted" });
    release.resolve({ status: 0 });
    await agent.pauseContainer({});
  });

  it("is not sent if its signal has aborted before", async () => {
    let calls = 0;
    const { agent } = connect({
      pauseContainer: () => {
        calls += 1;
        return {};
      },
    });
    await assert.rejects(agent.pauseContainer({}, { signal: AbortSignal.abort() }), { code: "aborted" });
    await agent.pauseContainer({});
    assert.equal(calls, 1);
  });
});

describe("the loss of a connection", () => {
  it("fails every pending and every later call, and is reported once", async () => {
    const { agent, connection, served } = connect({ waitProcess: () => new Promise(() => {}) });
    const waiting = [agent.waitProcess({}), agent.waitProcess({}, { timeoutMs: 60_000 })];
    served.close();
    for (const call of waiting) {
      await assert.rejects(call, { code: "protocol/closed", message: "grpc.AgentService/WaitProcess: no answer" });
    }
    assert.equal((await connection.closed).code, "protocol/closed");
    await assert.rejects(agent.waitProcess({}), { code: "protocol/closed" });
  });

  it("aborts the signals of its handlers and of the connection", async () => {
    const began = deferred<AbortSignal>();
    const reasons: KumiteError[] = [];
    const { agent, connection, served } = connect(
      {
        waitProcess: (_request, context) => {
          assert.equal(context.connection, served);
          began.resolve(context.signal);
          return new Promise(() => {});
        },
      },
      { onClose: (reason) => reasons.push(reason) },
    );
    agent.waitProcess({}).catch(() => {});
    const signal = await began.promise;
    connection.close();
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    assert.equal(served.signal.aborted, true);
    assert.deepEqual(
      reasons.map(({ code }) => code),
      ["protocol/closed"],
    );
  });

  it("comes after the answer of a handler that waits for its answer to be written", async () => {
    const { agent } = connect({
      destroySandbox: (_request, { answered, connection }) => {
        void answered.then(() => connection.close());
        return {};
      },
    });
    await agent.destroySandbox({});
  });
});
