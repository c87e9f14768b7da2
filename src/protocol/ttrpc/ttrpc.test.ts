import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { ByteStream } from "../../sys/os.ts";
import { ByteReader } from "../../util/byte-reader.ts";
import { concat } from "../../util/bytes.ts";
import { type Deferred, deferred } from "../../util/deferred.ts";
import { KumiteError } from "../../util/errors.ts";
import { type StreamPairOptions, streamPair } from "../../util/stream-pair.ts";
import { AgentServiceDefinition } from "../gen/kata/agent-service.ts";
import { HealthDefinition } from "../gen/kata/health.ts";
import { Response } from "../gen/ttrpc/envelope.ts";
import { ttrpcClient } from "./client.ts";
import { TtrpcConnection } from "./connection.ts";
import { requestParts } from "./envelope.ts";
import { encodeHeader, maxDataLength } from "./frame.ts";
import { grpcCode } from "./grpc-code.ts";
import { type ServeOptions, serve } from "./server.ts";
import { type TtrpcImplementation, ttrpcService } from "./service-table.ts";
import { TtrpcError } from "./status.ts";

const serving: TtrpcImplementation<typeof HealthDefinition> = { check: () => ({ status: 1 }) };

type Agent = TtrpcImplementation<typeof AgentServiceDefinition>;

describe("a call", () => {
  it("brings the request to its handler and the answer back, with defaults for what was left out", async () => {
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

  it("is answered right whatever order the answers have and however the bytes are cut", async () => {
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

  it("fails with the handler's error and its gRPC code, and the connection goes on", async () => {
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

  it("to what is not implemented or not served fails with unimplemented", async () => {
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

  it("carries up to 4 MiB and refuses more on the side that would send it", async () => {
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
      // Whichever side's clock is first.
      return (
        (error instanceof KumiteError && error.code === "timeout") ||
        (error instanceof TtrpcError && error.code === grpcCode.deadlineExceeded)
      );
    });
    await aborted.promise;
  });

  it("is answered with deadline exceeded although its handler goes on", async () => {
    const { client, server } = pair();
    serve(server, [ttrpcService(HealthDefinition, { check: () => new Promise(() => {}) })]);
    const peer = new RawPeer(client);
    await peer.send(1, "grpc.Health", "Check", { timeoutNano: 1_000_000n });
    assert.equal((await peer.answer(1)).status?.code, grpcCode.deadlineExceeded);
  });

  it("has no time limit without one, even for the longest time that can be written", async () => {
    const { agent } = connect({ pauseContainer: () => new Promise((resolve) => setTimeout(() => resolve({}), 5)) });
    await agent.pauseContainer({}, { timeoutMs: Number.POSITIVE_INFINITY });
    const { client, server } = pair();
    serve(server, [ttrpcService(HealthDefinition, serving)]);
    const peer = new RawPeer(client);
    await peer.send(1, "grpc.Health", "Check", { timeoutNano: 2n ** 63n - 1n });
    assert.equal((await peer.answer(1)).status, undefined);
  });

  it("ends when its signal aborts, and a late answer harms nothing", async () => {
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

  it("is not sent when its signal aborted before", async () => {
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
  it("fails every pending and every later call, and says so once", async () => {
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

describe("a server", () => {
  it("answers bad requests on their own stream and goes on", async () => {
    const { client, server } = pair();
    serve(server, [ttrpcService(HealthDefinition, serving)]);
    const peer = new RawPeer(client);

    await peer.frame(2, 1, 0, new Uint8Array(0));
    assert.match((await peer.answer(2)).status?.message ?? "", /even/);

    await peer.frame(5, 1, 0, new Uint8Array([0xff, 0xff, 0xff]));
    assert.equal((await peer.answer(5)).status?.code, grpcCode.invalidArgument);

    await peer.send(5, "grpc.Health", "Check");
    assert.match((await peer.answer(5)).status?.message ?? "", /used before/);

    await peer.send(7, "grpc.Health", "Check", {}, new Uint8Array([0x0a, 0x7f]));
    assert.equal((await peer.answer(7)).status?.code, grpcCode.invalidArgument);

    await peer.frame(9, 1, 0, new Uint8Array(0));
    assert.equal((await peer.answer(9)).status?.code, grpcCode.unimplemented);

    await peer.send(11, "grpc.Health", "Check");
    assert.equal((await peer.answer(11)).status, undefined);
  });

  it("skips a request that is too long without holding it, and answers it", async () => {
    const { client, server } = pair();
    serve(server, [ttrpcService(HealthDefinition, serving)]);
    const peer = new RawPeer(client);
    const sent = peer.frame(1, 1, 0, new Uint8Array(maxDataLength + 1));
    assert.equal((await peer.answer(1)).status?.code, grpcCode.resourceExhausted);
    await sent;
    await peer.send(3, "grpc.Health", "Check");
    assert.equal((await peer.answer(3)).status, undefined);
  });

  it("refuses streaming calls and the data of streams, and skips frames of types it does not know", async () => {
    const { client, server } = pair();
    serve(server, [ttrpcService(HealthDefinition, serving)]);
    const peer = new RawPeer(client);
    await peer.frame(1, 1, 2, new Uint8Array(0));
    assert.equal((await peer.answer(1)).status?.code, grpcCode.unimplemented);
    await peer.frame(1, 3, 1, new Uint8Array(10));
    await peer.frame(3, 3, 0, new Uint8Array(10));
    assert.match((await peer.answer(3)).status?.message ?? "", /not open/);
    await peer.frame(3, 99, 0, new Uint8Array(10));
    await peer.send(3, "grpc.Health", "Check");
    assert.equal((await peer.answer(3)).status, undefined);
  });

  it("refuses calls beyond its limit and takes new ones when old ones are done", async () => {
    const waits: Deferred<{ status: number }>[] = [];
    const { agent } = connect(
      {
        waitProcess: () => {
          const wait = deferred<{ status: number }>();
          waits.push(wait);
          return wait.promise;
        },
      },
      { limits: { maxCalls: 2 } },
    );
    const first = agent.waitProcess({});
    const second = agent.waitProcess({});
    await assert.rejects(agent.waitProcess({}), { code: grpcCode.resourceExhausted });
    for (const wait of waits) wait.resolve({ status: 0 });
    await Promise.all([first, second]);
    const third = agent.waitProcess({});
    while (waits.length < 3) await Promise.resolve();
    waits[2]?.resolve({ status: 3 });
    assert.equal((await third).status, 3);
  });

  it("counts a call whose handler ignores its timeout until that ends", async () => {
    const release = deferred<{ status: 1 }>();
    const { client, server } = pair();
    serve(server, [ttrpcService(HealthDefinition, { check: () => release.promise, version: () => ({}) })], {
      limits: { maxCalls: 1 },
    });
    const peer = new RawPeer(client);
    await peer.send(1, "grpc.Health", "Check", { timeoutNano: 1n });
    assert.equal((await peer.answer(1)).status?.code, grpcCode.deadlineExceeded);
    await peer.send(3, "grpc.Health", "Version");
    assert.equal((await peer.answer(3)).status?.code, grpcCode.resourceExhausted);
    release.resolve({ status: 1 });
    await peer.send(5, "grpc.Health", "Version");
    assert.equal((await peer.answer(5)).status, undefined);
  });

  it("refuses requests beyond the bytes it holds for running handlers", async () => {
    const release = deferred<{ len: number }>();
    const { agent } = connect({ writeStdin: () => release.promise }, { limits: { maxRequestBytes: 1000 } });
    const first = agent.writeStdin({ data: new Uint8Array(900) });
    await assert.rejects(agent.writeStdin({ data: new Uint8Array(900) }), { code: grpcCode.resourceExhausted });
    release.resolve({ len: 900 });
    assert.equal((await first).len, 900);
  });

  it("stops reading calls while a client does not read its answers", async () => {
    let handled = 0;
    const { client, server } = pair();
    serve(
      server,
      [
        ttrpcService(AgentServiceDefinition, {
          readStdout: () => {
            handled += 1;
            return { data: new Uint8Array(100_000) };
          },
        }),
      ],
      { limits: { maxUnsentBytes: 500_000 } },
    );
    const peer = new RawPeer(client);
    const calls = 100;
    for (let call = 0; call < calls; call += 1) void peer.send(2 * call + 1, "grpc.AgentService", "ReadStdout");
    await settle();
    assert.ok(handled < 20, `${handled} calls were handled`);
    for (let call = 0; call < calls; call += 1) await peer.answer(2 * call + 1);
    assert.equal(handled, calls);
  });

  it("stops reading while a client does not read what refuses its frames", async () => {
    const { client, server } = pair({ capacity: 1000 });
    serve(server, [], { limits: { maxUnsentBytes: 5000 } });
    const peer = new RawPeer(client);
    const frames = 2000;
    let written = 0;
    const writing = (async () => {
      // An even stream id is refused by its header.
      for (; written < frames; written += 1) await peer.header(0, 2, 1);
    })();
    await settle();
    assert.ok(written < frames / 2, `${written} of ${frames} frames were taken`);
    for (let frame = 0; frame < frames; frame += 1) {
      assert.equal((await peer.answer(2)).status?.code, grpcCode.invalidArgument);
    }
    await writing;
  });

  it("names its client's fault when a frame is cut off", async () => {
    const closed = deferred<KumiteError>();
    const { client, server } = pair();
    serve(server, [], { onClose: closed.resolve });
    await client.write(new Uint8Array(7));
    client.close();
    assert.equal((await closed.promise).code, "protocol/violation");
  });

  it("survives any bytes", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 40 })), async (chunks) => {
        const closed = deferred<KumiteError>();
        const { client, server } = pair();
        serve(server, [ttrpcService(HealthDefinition, serving)], { onClose: closed.resolve });
        for (const chunk of chunks) await client.write(chunk).catch(() => {});
        client.close();
        assert.match((await closed.promise).code, /^protocol\/(closed|violation)$/);
      }),
      { numRuns: 200 },
    );
  });
});

describe("a client of a hostile server", () => {
  const hostile: [string, (peer: RawPeer) => Promise<void>][] = [
    ["an answer over 4 MiB", (peer) => peer.header(maxDataLength + 1, 1, 2)],
    ["an answer to a call never made", (peer) => peer.header(0, 3, 2)],
    ["an answer on an even stream", (peer) => peer.header(0, 2, 2)],
    ["stream data", (peer) => peer.header(10, 1, 3)],
    ["a request", (peer) => peer.header(10, 1, 1)],
    [
      "half a frame",
      async (peer) => {
        await peer.header(10, 1, 2);
        await peer.stream.end();
      },
    ],
  ];
  for (const [what, attack] of hostile) {
    it(`ends the connection at ${what}, before it is read`, async () => {
      const { client, server } = pair();
      const connection = new TtrpcConnection(client);
      const call = connection.call("S", "M", new Uint8Array(0));
      await attack(new RawPeer(server));
      await assert.rejects(call, { code: "protocol/violation" });
      assert.equal((await connection.closed).code, "protocol/violation");
    });
  }

  it("ends the connection at an answer longer than the call allows", async () => {
    const { agent } = connect({ readStdout: () => ({ data: new Uint8Array(2000) }) });
    await agent.readStdout({}, { maxResponseBytes: 3000 });
    await assert.rejects(agent.readStdout({}, { maxResponseBytes: 1000 }), { code: "protocol/violation" });
  });

  it("fails only the call whose answer is malformed", async () => {
    const { client, server } = pair();
    const connection = new TtrpcConnection(client);
    const health = ttrpcClient(HealthDefinition, connection);
    const calls = [health.check({}), health.check({}), health.check({})];
    const peer = new RawPeer(server);
    await peer.frame(1, 2, 0, new Uint8Array([0xff]));
    await peer.frame(3, 2, 0, new Uint8Array([0x12, 2, 0x0a, 0x7f]));
    await peer.frame(5, 2, 0, new Uint8Array([0x12, 2, 0x08, 1]));
    await assert.rejects(calls[0] as Promise<unknown>, {
      code: "protocol/violation",
      message: /the answer is malformed/,
    });
    await assert.rejects(calls[1] as Promise<unknown>, {
      code: "protocol/violation",
      message: /the answer is malformed/,
    });
    assert.equal((await calls[2])?.status, 1);
  });

  it("survives any bytes", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 40 })), async (chunks) => {
        const { client, server } = pair();
        const connection = new TtrpcConnection(client);
        const call = connection.call("S", "M", new Uint8Array(0));
        for (const chunk of chunks) await server.write(chunk).catch(() => {});
        server.close();
        await assert.rejects(call);
        await connection.closed;
      }),
      { numRuns: 200 },
    );
  });
});

/** Speaks frames by hand. */
class RawPeer {
  readonly stream: ByteStream;
  readonly #reader: ByteReader;

  constructor(stream: ByteStream) {
    this.stream = stream;
    this.#reader = new ByteReader(stream);
  }

  header(length: number, streamId: number, type: number): Promise<void> {
    return this.stream.write(encodeHeader({ length, streamId, type, flags: 0 }));
  }

  async frame(streamId: number, type: number, flags: number, data: Uint8Array): Promise<void> {
    await this.stream.write(concat([encodeHeader({ length: data.length, streamId, type, flags }), data]));
  }

  async send(
    streamId: number,
    service: string,
    method: string,
    { timeoutNano = 0n }: { timeoutNano?: bigint } = {},
    payload = new Uint8Array(0),
  ): Promise<void> {
    const { parts } = requestParts(streamId, { service, method, timeoutNano, metadata: [] }, payload);
    await this.stream.write(concat(parts));
  }

  /** The next frame, which must be a response on this stream. */
  async answer(streamId: number): Promise<Response> {
    const header = await this.#reader.readExactlyOrEnd(10);
    assert.ok(header !== undefined, "the server closed the connection");
    const view = new DataView(header.buffer, header.byteOffset);
    assert.deepEqual([view.getUint32(4), view.getUint8(8)], [streamId, 2]);
    return Response.decode(await this.#reader.readExactly(view.getUint32(0)));
  }
}

function pair(options: StreamPairOptions = {}): { client: ByteStream; server: ByteStream } {
  const [client, server] = streamPair(options);
  return { client, server };
}

function connect(implementation: Agent, options: ServeOptions = {}, streams: StreamPairOptions = {}) {
  const { client, server } = pair(streams);
  const served = serve(server, [ttrpcService(AgentServiceDefinition, implementation)], options);
  const connection = new TtrpcConnection(client);
  return { agent: ttrpcClient(AgentServiceDefinition, connection), connection, served };
}

/** Lets everything run that can without further input. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
