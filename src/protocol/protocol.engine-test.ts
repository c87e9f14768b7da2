/** The protocol layer on the small engine, whose big integers and missing globals differ from Node's. */
import { assert } from "../sys/engine/testing/assert.ts";
import { describe, it } from "../sys/engine/testing/suite.ts";
import { concat, readAll } from "../util/bytes.ts";
import { KumiteError } from "../util/errors.ts";
import { streamPair } from "../util/stream-pair.ts";
import { AgentServiceDefinition } from "./gen/kata/agent-service.ts";
import { POSIXRlimit } from "./gen/kata/oci.ts";
import { dialPort } from "./port/dial-port.ts";
import { PortAcceptor } from "./port/port-acceptor.ts";
import { ttrpcClient } from "./ttrpc/client.ts";
import { TtrpcConnection } from "./ttrpc/connection.ts";
import { serve } from "./ttrpc/server.ts";
import { type TtrpcImplementation, ttrpcService } from "./ttrpc/service-table.ts";
import { TtrpcError } from "./ttrpc/status.ts";
import { YamuxSession } from "./yamux/session.ts";

describe("the protocols on the small engine", () => {
  it("carry 64-bit values exactly", () => {
    for (const value of [0n, 1n, 2n ** 63n, 2n ** 64n - 1n]) {
      const { Hard } = POSIXRlimit.decode(POSIXRlimit.encode({ Type: "", Hard: value, Soft: 0n }).finish());
      assert.equal(Hard, value);
    }
  });

  it("answer calls over a port of a yamux session", async () => {
    const { agent } = await connect({
      readStdout: ({ containerId, len }) => ({ data: new TextEncoder().encode(`${containerId} grüße ${len}`) }),
      statsContainer: () => ({ cgroupStats: { pidsStats: { current: 1n, limit: 2n ** 64n - 1n } } }),
    });
    const { data } = await agent.readStdout({ containerId: "web", len: 7 });
    assert.equal(new TextDecoder().decode(data), "web grüße 7");
    const { cgroupStats } = await agent.statsContainer({ containerId: "web" });
    assert.equal(cgroupStats?.pidsStats?.limit, 2n ** 64n - 1n);
  });

  it("return errors and timeouts to the caller", async () => {
    const { agent } = await connect({
      startContainer: () => Promise.reject(new KumiteError("container/not-found", "no container web", { hint: "h" })),
      waitProcess: () => new Promise(() => {}),
    });
    const error = await agent.startContainer({}).catch((thrown: unknown) => thrown);
    if (!(error instanceof TtrpcError)) throw error;
    assert.deepEqual([error.code, error.message, error.remote?.hint], [5, "no container web", "h"]);
    await assert.rejects(agent.waitProcess({}, { timeoutMs: 5 }), Error);
  });

  it("carry megabytes over a stream", async () => {
    const { client, acceptor } = session();
    const accepted = acceptor.next(7);
    const ours = await dialPort(() => client.open(), 7);
    const theirs = await accepted;
    const parts = [1, 2, 3].map((value) => new Uint8Array(500_000).fill(value));
    const sent = Promise.all(parts.map((part) => ours.write(part))).then(() => ours.end());
    const got = await readAll(theirs, 4 << 20);
    await sent;
    const expected = concat(parts);
    assert.ok(got.length === expected.length && got.every((byte, at) => byte === expected[at]));
  });
});

function session(): { client: YamuxSession; acceptor: PortAcceptor } {
  const [left, right] = streamPair();
  const acceptor = new PortAcceptor();
  void acceptor.acceptAll(new YamuxSession(right, { role: "server" }));
  return { client: new YamuxSession(left, { role: "client" }), acceptor };
}

async function connect(implementation: TtrpcImplementation<typeof AgentServiceDefinition>) {
  const { client, acceptor } = session();
  acceptor.listen(1024, (stream) => void serve(stream, [ttrpcService(AgentServiceDefinition, implementation)]));
  const connection = new TtrpcConnection(await dialPort(() => client.open(), 1024));
  return { agent: ttrpcClient(AgentServiceDefinition, connection) };
}
