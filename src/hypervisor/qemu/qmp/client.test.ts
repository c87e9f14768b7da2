import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ByteStream } from "../../../sys/os.ts";
import { ByteReader } from "../../../util/byte-reader.ts";
import { isKumiteError } from "../../../util/errors.ts";
import { streamPair } from "../../../util/stream-pair.ts";
import { QmpClient } from "./client.ts";
import type { QmpEvent } from "./commands.ts";
import { firstCommands, firstText } from "./first-commands.ts";

const greeting = { QMP: { version: { qemu: { major: 7, minor: 2, micro: 22 } }, capabilities: ["oob"] } };

const said = firstCommands(false);

/** QEMU's end of the connection, controlled by the test. */
class FakeQemu {
  readonly stream: ByteStream;
  readonly #reader: ByteReader;

  constructor(stream: ByteStream) {
    this.stream = stream;
    this.#reader = new ByteReader(stream);
  }

  say(message: unknown): Promise<void> {
    return this.stream.write(new TextEncoder().encode(`${JSON.stringify(message)}\r\n`));
  }

  async next(): Promise<{ execute: string; arguments: unknown; id: number }> {
    return JSON.parse((await this.#reader.readLine(65536)) ?? "null");
  }

  /** Completes the negotiation. */
  async greet(): Promise<void> {
    await this.say(greeting);
    const { execute, id } = await this.next();
    assert.equal(execute, "qmp_capabilities");
    await this.say({ return: {}, id });
  }
}

async function connected(onEvent?: (event: QmpEvent) => void): Promise<[QmpClient, FakeQemu]> {
  const [ours, theirs] = streamPair();
  const qemu = new FakeQemu(theirs);
  await ours.write(new TextEncoder().encode(firstText(said)));
  const [client] = await Promise.all([QmpClient.connect(ours, said, onEvent ? { onEvent } : {}), qemu.greet()]);
  return [client, qemu];
}

describe("a QMP client", () => {
  it("waits for the answers to commands that were sent before it, and for nothing else", async () => {
    const [ours, theirs] = streamPair();
    const qemu = new FakeQemu(theirs);
    const all = firstCommands(true);
    await ours.write(new TextEncoder().encode(firstText(all)));
    await qemu.say(greeting);
    const ids: number[] = [];
    for (const { execute } of all) {
      const command = await qemu.next();
      assert.equal(command.execute, execute);
      ids.push(command.id);
    }
    // Answers that arrive before the client reads.
    for (const id of ids.slice(1)) await qemu.say({ return: {}, id });
    const connecting = QmpClient.connect(ours, all, {});
    await qemu.say({ return: {}, id: ids[0] });
    const client = await connecting;
    const next = client.execute("cont", {});
    const { id } = await qemu.next();
    assert.ok(!ids.includes(id));
    await qemu.say({ return: {}, id });
    await next;
  });

  it("fails with QEMU's reason when such a command is refused", async () => {
    const [ours, theirs] = streamPair();
    const qemu = new FakeQemu(theirs);
    await qemu.say(greeting);
    const connecting = QmpClient.connect(ours, firstCommands(true), {});
    for (const id of [1, 2]) await qemu.say({ return: {}, id });
    await qemu.say({ error: { class: "GenericError", desc: "no such state" }, id: 3 });
    await assert.rejects(connecting, /qemu refused the command: no such state/);
  });

  it("matches answers to commands by id, in any order", async () => {
    const [client, qemu] = await connected();
    const status = client.execute("query-status", {});
    const stopped = client.execute("stop", {});
    const [first, second] = [await qemu.next(), await qemu.next()];
    assert.equal(first.execute, "query-status");
    await qemu.say({ return: {}, id: second.id });
    await qemu.say({ return: { status: "running", running: true, singlestep: false }, id: first.id });
    assert.deepEqual(await status, { status: "running", running: true });
    await stopped;
  });

  it("reports events that arrive between greeting and answers", async () => {
    const events: QmpEvent[] = [];
    const [client, qemu] = await connected((event) => events.push(event));
    const stopped = client.execute("stop", {});
    const { id } = await qemu.next();
    await qemu.say({ event: "STOP", timestamp: {} });
    await qemu.say({ event: "RTC_CHANGE", data: { offset: 1 } });
    await qemu.say({ event: "SHUTDOWN", data: { guest: true, reason: "guest-reset" } });
    await qemu.say({ return: {}, id });
    await stopped;
    assert.deepEqual(events, [
      { name: "STOP" },
      { name: "other", event: "RTC_CHANGE" },
      { name: "SHUTDOWN", guest: true, reason: "guest-reset" },
    ]);
  });

  it("gives QEMU's reason when a command is refused, on one line", async () => {
    const [client, qemu] = await connected();
    const refused = client.execute("cont", {});
    const { id } = await qemu.next();
    await qemu.say({ error: { class: "GenericError", desc: "not\nnow\u001b[2J" }, id });
    await assert.rejects(refused, (error) => {
      assert.ok(isKumiteError(error, "hypervisor/protocol"));
      assert.equal(error.message, "qemu refused the command: not now");
      assert.equal(error.data.class, "GenericError");
      return true;
    });
  });

  it("says so when a refusal has no reason", async () => {
    for (const error of [{}, { class: 1, desc: {} }, null, "no"]) {
      const [client, qemu] = await connected();
      const refused = client.execute("cont", {});
      const { id } = await qemu.next();
      await qemu.say({ error, id });
      await assert.rejects(refused, { message: "qemu refused the command: it gave no reason" });
    }
  });

  it("fails pending and later commands when QEMU exits", async () => {
    const [client, qemu] = await connected();
    const waiting = client.execute("stop", {});
    qemu.stream.close();
    await assert.rejects(waiting, (error) => isKumiteError(error, "hypervisor/protocol"));
    assert.match(await client.closed, /closed the monitor/);
    await assert.rejects(client.execute("cont", {}), (error) => isKumiteError(error, "hypervisor/protocol"));
  });

  it("gives up a command that is not answered in time, and ignores the late answer", async () => {
    const [client, qemu] = await connected();
    await assert.rejects(client.execute("stop", {}, { timeoutMs: 1 }), (error) => isKumiteError(error, "timeout"));
    const { id } = await qemu.next();
    await qemu.say({ return: {}, id });
    const next = client.execute("cont", {});
    await qemu.say({ return: {}, id: (await qemu.next()).id });
    await next;
  });

  it("ends the connection to a peer that does not speak the protocol", async () => {
    for (const garbage of ["not json\n", "[]\n", `"${"x".repeat(2 * 1024 * 1024)}`]) {
      const [ours, theirs] = streamPair({ capacity: Number.POSITIVE_INFINITY });
      const connecting = QmpClient.connect(ours, said, {});
      await theirs.write(new TextEncoder().encode(garbage));
      await assert.rejects(connecting, (error) => isKumiteError(error, "hypervisor/protocol"), garbage.slice(0, 20));
    }
  });

  it("refuses a result of another form", async () => {
    const [client, qemu] = await connected();
    const status = client.execute("query-status", {});
    await qemu.say({ return: { status: 1 }, id: (await qemu.next()).id });
    await assert.rejects(status, (error) => isKumiteError(error, "hypervisor/protocol"));
  });
});
