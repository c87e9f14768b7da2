import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { type Deferred, deferred } from "../../util/deferred.ts";
import type { KumiteError } from "../../util/errors.ts";
import { AgentServiceDefinition } from "../gen/kata/agent-service.ts";
import { HealthDefinition } from "../gen/kata/health.ts";
import { maxDataLength } from "./frame.ts";
import { grpcCode } from "./grpc-code.ts";
import { serve } from "./server.ts";
import { ttrpcService } from "./service-table.ts";
import { connect, pair, RawPeer, serving, settle } from "./ttrpc.testing.ts";

describe("a server", () => {
  it("answers invalid requests on their own stream and continues", async () => {
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

  it("skips a request that is too long without storing it, and answers it", async () => {
    const { client, server } = pair();
    serve(server, [ttrpcService(HealthDefinition, serving)]);
    const peer = new RawPeer(client);
    const sent = peer.frame(1, 1, 0, new Uint8Array(maxDataLength + 1));
    assert.equal((await peer.answer(1)).status?.code, grpcCode.resourceExhausted);
    await sent;
    await peer.send(3, "grpc.Health", "Check");
    assert.equal((await peer.answer(3)).status, undefined);
  });

  it("refuses streaming calls and the data of streams, and skips frames of unknown types", async () => {
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

  it("refuses calls beyond its limit, and accepts new ones when old ones are done", async () => {
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

  it("refuses requests beyond the bytes that it holds for running handlers", async () => {
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

  it("stops reading while a client does not read the refusals of its frames", async () => {
    const { client, server } = pair({ capacity: 1000 });
    serve(server, [], { limits: { maxUnsentBytes: 5000 } });
    const peer = new RawPeer(client);
    const frames = 2000;
    let written = 0;
    const writing = (async () => {
      // A frame with an even stream id is refused after its header.
      for (; written < frames; written += 1) await peer.header(0, 2, 1);
    })();
    await settle();
    assert.ok(written < frames / 2, `${written} of ${frames} frames were taken`);
    for (let frame = 0; frame < frames; frame += 1) {
      assert.equal((await peer.answer(2)).status?.code, grpcCode.invalidArgument);
    }
    await writing;
  });

  it("reports that its client cut off a frame", async () => {
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
