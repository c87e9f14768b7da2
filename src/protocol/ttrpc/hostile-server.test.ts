import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { HealthDefinition } from "../gen/kata/health.ts";
import { ttrpcClient } from "./client.ts";
import { TtrpcConnection } from "./connection.ts";
import { maxDataLength } from "./frame.ts";
import { connect, pair, RawPeer } from "./ttrpc.testing.ts";

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
