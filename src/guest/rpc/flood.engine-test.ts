/** A host that floods the agent: memory stays bounded, the error is named, and others are served as before. */
import { CreateContainerRequest } from "../../protocol/gen/kata/agent.ts";
import { TtrpcConnection } from "../../protocol/ttrpc/connection.ts";
import { encodeHeader, frameType } from "../../protocol/ttrpc/frame.ts";
import { output } from "../../sys/contract/scratch.ts";
import { assert } from "../../sys/engine/testing/assert.ts";
import { describe, it } from "../../sys/engine/testing/suite.ts";
import type { ByteStream } from "../../sys/os.ts";
import { messageOf } from "../../util/errors.ts";
import { os, startAgent, type TestAgent } from "../testing/agent.testing.ts";
import { run, startContainer } from "../testing/container.testing.ts";
import { specOf } from "../testing/spec.testing.ts";

const service = "grpc.AgentService";
const mebibyte = 1024 * 1024;
/** The limit of JavaScript's memory in the agent, plus 16 MiB for the engine and for unused memory in between. */
const limitMiB = 128 + 16;

/** Returns the distinct errors that it got; none if there is nobody to get them. */
type Flood = (agent: TestAgent) => Promise<readonly string[]>;

/** The peak of the agent's memory. */
async function peakMiB(agent: TestAgent): Promise<number> {
  const status = await output(
    os,
    `for p in $(cat /proc/${agent.child.pid}/task/*/children); do cat /proc/$p/status; done`,
  );
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024;
}

/** Opens that many connections; returns those that the agent accepts and the number of those it closes. */
async function connect(agent: TestAgent, count: number): Promise<{ streams: ByteStream[]; refused: number }> {
  const dialled = await Promise.allSettled(Array.from({ length: count }, () => agent.client.dial(1024)));
  const streams = dialled.flatMap((dial) => (dial.status === "fulfilled" ? [dial.value] : []));
  return { streams, refused: count - streams.length };
}

/** The answer as text. */
const told = (call: Promise<unknown>): Promise<string> => call.then(() => "ok", messageOf);

/** Waits only briefly, since an agent at its limit may not take the data. */
function soon(work: Promise<unknown>): Promise<unknown> {
  return Promise.race([work, new Promise<void>((resolve) => setTimeout(resolve, 1000))]).catch(() => {});
}

async function once(connection: TtrpcConnection, method: string, payload: Uint8Array): Promise<readonly string[]> {
  const answer = await told(connection.call(service, method, payload));
  connection.close();
  return [answer];
}

const connection = async (agent: TestAgent): Promise<TtrpcConnection> =>
  new TtrpcConnection(await agent.client.dial(1024));

/** A field of this many bytes that no message has. */
function unknownField(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  // Field 4000; its length follows in four bytes.
  const rest = length - 7;
  bytes.set([
    0x82,
    0xfa,
    0x01,
    (rest & 0x7f) | 0x80,
    ((rest >> 7) & 0x7f) | 0x80,
    ((rest >> 14) & 0x7f) | 0x80,
    rest >> 21,
  ]);
  return bytes;
}

const floods: Readonly<Record<string, readonly [flood: Flood, answer?: RegExp]>> = {
  "the largest frames, of which the last byte is missing, on many connections": [
    async (agent) => {
      const { streams } = await connect(agent, 100);
      const header = encodeHeader({ length: 4 * mebibyte, streamId: 1, type: frameType.request, flags: 0 });
      const block = new Uint8Array(mebibyte);
      const fill = async (stream: ByteStream): Promise<void> => {
        await stream.write(header);
        for (const part of [block, block, block, block.subarray(1)]) await stream.write(part);
      };
      await Promise.all(streams.map((stream) => soon(fill(stream))));
      for (const stream of streams) stream.close();
      return [];
    },
  ],
  "calls that block, with a mebibyte each": [
    async (agent) => {
      const { streams } = await connect(agent, 30);
      const payload = unknownField(mebibyte);
      const connections = streams.map((stream) => new TtrpcConnection(stream));
      const answers = new Set<string>();
      const calls = connections.flatMap((one) =>
        Array.from({ length: 12 }, () =>
          told(one.call(service, "GetOOMEvent", payload)).then((text) => answers.add(text)),
        ),
      );
      await soon(Promise.all(calls));
      for (const one of connections) one.close();
      return [...answers].filter((text) => text.includes("bytes are not done")).slice(0, 1);
    },
    /requests of \d+ bytes are not done$/,
  ],
  "questions whose answers are not read": [
    async (agent) => {
      const { streams } = await connect(agent, 4);
      const { streams: more } = await connect(agent, 1);
      const ask = (stream: ByteStream) => async (): Promise<void> => {
        // Unknown methods, whose names are repeated in the answer.
        const call = new Uint8Array([0x0a, 2, 0x67, 0x67, 0x12, 0xe8, 0x07, ...new Array(1000).fill(0x67)]);
        for (let id = 1; id < 20_000; id += 2) {
          await stream.write(encodeHeader({ length: call.length, streamId: id, type: frameType.request, flags: 0 }));
          await stream.write(call);
        }
      };
      await soon(Promise.all(streams.map((stream) => ask(stream)())));
      for (const stream of [...streams, ...more]) stream.close();
      return [];
    },
  ],
  "a specification of a million objects": [
    async (agent) => {
      const kumiteOciJson = `[${"{},".repeat(1_300_000)}{}]`;
      const request = CreateContainerRequest.fromPartial({ containerId: "web", kumiteOciJson });
      return once(await connection(agent), "CreateContainer", CreateContainerRequest.encode(request).finish());
    },
    /CreateContainer: the agent lacks the memory to serve a request of \d+ bytes|must be an object/,
  ],
  "a specification that is nested a million deep": [
    async (agent) => {
      const kumiteOciJson = `${"[".repeat(1_000_000)}${"]".repeat(1_000_000)}`;
      const request = CreateContainerRequest.fromPartial({ containerId: "web", kumiteOciJson });
      return once(await connection(agent), "CreateContainer", CreateContainerRequest.encode(request).finish());
    },
    /^the specification is not JSON: line 1, column 102: nested deeper than 100$/,
  ],
  "groups in groups, four million deep": [
    async (agent) => once(await connection(agent), "CreateContainer", new Uint8Array(4_000_000).fill(0x7b)),
    /^CreateContainer: the request is malformed: maximum recursion depth reached$/,
  ],
  "two million storages without anything": [
    async (agent) => {
      const payload = new Uint8Array(4_000_000).map((_, at) => (at % 2 === 0 ? 0x22 : 0));
      return once(await connection(agent), "CreateContainer", payload);
    },
    /^CreateContainer: the agent lacks the memory to serve a request of 4000000 bytes$/,
  ],
  "text of megabytes where a path belongs": [
    async (agent) => {
      const kumiteOciJson = JSON.stringify(specOf(["true"], { process: { cwd: "x".repeat(3_000_000) } }));
      const request = CreateContainerRequest.fromPartial({ containerId: "web", kumiteOciJson });
      return once(await connection(agent), "CreateContainer", CreateContainerRequest.encode(request).finish());
    },
    /^process.cwd must be an absolute path, not "x{1000,4096}$/,
  ],
  "input that its process does not read": [
    async (agent) => {
      await agent.client.createContainer({ containerId: "web", ...agent.client.specFields(specOf(["sleep", "1000"])) });
      await agent.client.startContainer({ containerId: "web" });
      const data = new Uint8Array(mebibyte);
      const writes = Array.from({ length: 20 }, () => told(agent.client.writeStdin({ containerId: "web", data })));
      const first = await Promise.race(writes);
      await agent.client.signalProcess({ containerId: "web", signal: 9 });
      await Promise.all(writes);
      await agent.client.waitProcess({ containerId: "web" });
      await agent.client.removeContainer({ containerId: "web" });
      return [first];
    },
    /requests of \d+ bytes are not done$/,
  ],
};

describe("an agent under a flood", () => {
  for (const [name, [flood, answer]] of Object.entries(floods)) {
    it(`with ${name} stays within its memory limit, says why, and continues`, async () => {
      await using agent = await startAgent();
      // Run once before, so that code loaded on first use does not count as a difference.
      await run(agent, "true");
      const before = await agent.state();
      for (const text of await flood(agent)) assert.ok(answer?.test(text), text.slice(0, 300));
      const container = await startContainer(agent, specOf(["cat"]));
      assert.equal((await container.finish("still here")).out, "still here");
      await agent.client.removeContainer({ containerId: container.containerId });
      assert.deepEqual(await agent.state(), before);
      const peak = await peakMiB(agent);
      assert.ok(peak < limitMiB, `${peak} MiB`);
      const longest = Math.max(...(await agent.log()).split("\n").map((line) => line.length));
      assert.ok(longest <= 4096, `a line of ${longest} characters in the log`);
    });
  }
});
