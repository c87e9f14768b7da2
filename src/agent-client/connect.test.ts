import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { AgentServiceDefinition } from "../protocol/gen/kata/agent-service.ts";
import { HealthDefinition } from "../protocol/gen/kata/health.ts";
import { PortAcceptor } from "../protocol/port/port-acceptor.ts";
import { serve } from "../protocol/ttrpc/server.ts";
import { ttrpcService } from "../protocol/ttrpc/service-table.ts";
import { YamuxSession } from "../protocol/yamux/session.ts";
import { carrierThatChangesHands, settle } from "../protocol/yamux/yamux.testing.ts";
import type { ByteStream } from "../sys/os.ts";
import { isKumiteError, KumiteError } from "../util/errors.ts";
import { streamPair } from "../util/stream-pair.ts";
import { encodeLatin1, encodeUtf8 } from "../util/text.ts";
import type { AgentClient } from "./agent-client.ts";
import { agentGreeting, isAgentSession, leaveSession } from "./agent-session.ts";
import { connectAgent } from "./connect.ts";
import { firstCallOf } from "./first-call.ts";

/** The guest's end of the channel, with an agent that knows a few calls. */
function guestOn(
  channel: ByteStream,
  hostnames: string[] = [],
): { readonly session: YamuxSession; readonly acceptor: PortAcceptor } {
  const session = new YamuxSession(channel, { role: "server" });
  const acceptor = new PortAcceptor();
  const health = ttrpcService(HealthDefinition, {
    version: async () => ({ grpcVersion: "0.0.1", agentVersion: "test" }),
  });
  const agent = ttrpcService(AgentServiceDefinition, {
    createSandbox: async ({ hostname }) => {
      hostnames.push(hostname);
      return {};
    },
    createContainer: async () => {
      throw new KumiteError("process/executable-not-found", 'exec: "x": executable file not found in $PATH');
    },
    startContainer: async () => {
      throw new Error("no such container");
    },
    waitProcess: () => new Promise(() => {}),
    getIPTables: async () => ({ data: new Uint8Array(65 * 1024) }),
    readStdout: async () => ({ data: new Uint8Array(65 * 1024) }),
  });
  acceptor.listen(1024, (stream) => serve(stream, [health, agent]));
  const accept = async (): Promise<void> => {
    for (let stream = await session.accept(); stream !== undefined; stream = await session.accept()) {
      acceptor.accept(stream);
    }
  };
  void accept();
  return { session, acceptor };
}

async function connected(): Promise<{ agent: AgentClient; guest: ReturnType<typeof guestOn> }> {
  const [host, there] = streamPair();
  const guest = guestOn(there);
  const agent = await connectAgent(host, { signal: new AbortController().signal, timeoutMs: 60_000 });
  return { agent, guest };
}

describe("the connection to an agent", () => {
  it("knows the agent's version", async () => {
    const { agent } = await connected();
    assert.equal(agent.version, "test");
    agent.close();
  });

  it("does not ask for a version that is known already", async () => {
    const [host, there] = streamPair();
    guestOn(there);
    const options = { signal: new AbortController().signal, timeoutMs: 60_000, knownVersion: "as its template said" };
    const agent = await connectAgent(host, options);
    assert.equal(agent.version, "as its template said");
    agent.close();
  });

  it("continues a session that another connection left", async () => {
    const { signal } = new AbortController();
    const limits = { signal, timeoutMs: 60_000 };
    const { take, far } = carrierThatChangesHands();
    guestOn(far);
    const resumes = await leaveSession(take(), limits);
    assert.equal(isAgentSession(resumes), true);
    const channel = take();
    await channel.write(encodeUtf8(agentGreeting()));
    const agent = await connectAgent(channel, { ...limits, resumes });
    assert.equal(agent.version, "test");
    await assert.rejects(agent.startContainer({}), /no such container/);
    agent.close();
  });

  it("continues a session in which the sandbox has been requested, whose answer may be there before the call", async () => {
    const limits = { signal: new AbortController().signal, timeoutMs: 60_000, knownVersion: "as its template said" };
    const { take, far } = carrierThatChangesHands();
    const requests: string[] = [];
    guestOn(far, requests);
    const left = await leaveSession(take(), limits);
    const request = { sandboxId: "web", hostname: "größer", storages: [], kernelModules: [] };
    const first = firstCallOf(left, request);
    assert.ok(first !== undefined);
    const channel = take();
    await channel.write(encodeLatin1(agentGreeting() + first.text));
    await settle();
    assert.deepEqual(requests, ["größer"]);
    const agent = await connectAgent(channel, { ...limits, resumes: first.session, sent: first.sent });
    await agent.createSandbox(request);
    await assert.rejects(agent.startContainer({}), /no such container/);
    assert.deepEqual(requests, ["größer"]);
    agent.close();
  });

  it("is lost when the first call is not the one that was sent", async () => {
    const limits = { signal: new AbortController().signal, timeoutMs: 60_000, knownVersion: "as its template said" };
    const { take, far } = carrierThatChangesHands();
    guestOn(far);
    const left = await leaveSession(take(), limits);
    const first = firstCallOf(left, { hostname: "one" });
    const channel = take();
    await channel.write(encodeLatin1(agentGreeting() + first?.text));
    const agent = await connectAgent(channel, { ...limits, resumes: first?.session, sent: first?.sent });
    await assert.rejects(agent.createSandbox({ hostname: "two" }), /CreateSandbox/);
    assert.match(await agent.lost, /was sent ahead/);
  });

  it("sends no large request ahead", async () => {
    const { take, far } = carrierThatChangesHands();
    guestOn(far);
    const left = await leaveSession(take(), { signal: new AbortController().signal, timeoutMs: 60_000 });
    assert.equal(firstCallOf(left, { hostname: "x".repeat(4096) }), undefined);
  });

  it("does not take a session that was left for an agent that answers", async () => {
    const { take, far } = carrierThatChangesHands();
    const guest = guestOn(far);
    const resumes = await leaveSession(take(), { signal: new AbortController().signal, timeoutMs: 60_000 });
    guest.session.close();
    const options = { signal: new AbortController().signal, timeoutMs: 60_000, resumes, knownVersion: "as it was" };
    await assert.rejects(connectAgent(take(), options), { code: "agent/unreachable" });
  });

  it("passes on the agent's error message unchanged", async () => {
    const { agent } = await connected();
    await assert.rejects(
      agent.createContainer({}),
      (error) =>
        isKumiteError(error, "process/executable-not-found") &&
        error.message === 'exec: "x": executable file not found in $PATH',
    );
    await assert.rejects(
      agent.startContainer({}),
      (error) =>
        isKumiteError(error, "agent/failed") &&
        error.message.includes("no such container") &&
        error.phase === "agent.startContainer",
    );
    agent.close();
  });

  it("fails pending and later calls when the guest has ended", async () => {
    const { agent, guest } = await connected();
    const waiting = assert.rejects(agent.waitProcess({}), (error) => isKumiteError(error, "agent/unreachable"));
    guest.session.close();
    await waiting;
    assert.notEqual(await agent.lost, "");
    await assert.rejects(agent.startContainer({}), (error) => isKumiteError(error, "agent/unreachable"));
    await assert.rejects(agent.dial(70000), (error) => isKumiteError(error, "agent/unreachable"));
  });

  it("ends when an answer is larger than the call needs, but not because of a process's output", async () => {
    const { agent } = await connected();
    assert.equal((await agent.readStdout({})).data.length, 65 * 1024);
    await assert.rejects(agent.getIPTables({}), (error) => isKumiteError(error, "agent/unreachable"));
    assert.match(await agent.lost, /65536 are allowed/);
  });

  it("opens byte streams to ports on which the agent listens", async () => {
    const { agent, guest } = await connected();
    guest.acceptor.listen(70000, (stream) => {
      void stream.write(new TextEncoder().encode("hello")).then(() => stream.end());
    });
    const stream = await agent.dial(70000);
    assert.equal(new TextDecoder().decode(await stream.read()), "hello");
    assert.equal(await stream.read(), undefined);
    agent.close();
  });

  it("is given up when no agent answers in time, and then closes the channel", async () => {
    const [host, there] = streamPair();
    const failed = connectAgent(host, { signal: new AbortController().signal, timeoutMs: 20 });
    await assert.rejects(failed, (error) => isKumiteError(error, "timeout"));
    // The bytes of the dial, then the end.
    while ((await there.read()) !== undefined);
  });

  it("is given up when the caller aborts", async () => {
    const [host] = streamPair();
    const caller = new AbortController();
    const failed = connectAgent(host, { signal: caller.signal, timeoutMs: 60_000 });
    caller.abort(new Error("enough"));
    await assert.rejects(failed);
  });
});
