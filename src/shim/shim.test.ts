import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import type { BundleSpec } from "../oci/bundle.ts";
import { readRecord } from "../persist/record.ts";
import { TaskDefinition } from "../protocol/gen/containerd/task/shim.ts";
import { Status } from "../protocol/gen/containerd/types/task.ts";
import { OciDefinition } from "../protocol/gen/kumite/oci/v1/oci.ts";
import { ttrpcClient } from "../protocol/ttrpc/client.ts";
import { TtrpcConnection } from "../protocol/ttrpc/connection.ts";
import { grpcCode } from "../protocol/ttrpc/grpc-code.ts";
import { isTtrpcError } from "../protocol/ttrpc/status.ts";
import { handToShim } from "../sandbox/prepare.ts";
import { recoverContainer } from "../sandbox/recover.ts";
import { type Prepared, SandboxPlace } from "../sandbox/sandbox.testing.ts";
import { type StdioStream, sayHello } from "../shim-client/stdio-hello.ts";
import type { ByteStream } from "../sys/os.ts";
import { readAll } from "../util/bytes.ts";
import { silentLogger } from "../util/log.ts";
import { decodeUtf8, encodeUtf8 } from "../util/text.ts";
import { Shim } from "./shim.ts";

/** A shim in this process, on a real socket, called the way verbs and relays call it. */
class Served {
  readonly shim: Shim;
  readonly finished: Promise<void>;
  readonly prepared: Prepared;
  readonly #place: SandboxPlace;
  readonly #connections: TtrpcConnection[] = [];

  private constructor(place: SandboxPlace, prepared: Prepared, shim: Shim) {
    this.#place = place;
    this.prepared = prepared;
    this.shim = shim;
    this.finished = shim.run();
  }

  static async start(
    place: SandboxPlace,
    { createTimeoutMs = 60_000, starterGone = new Promise<void>(() => {}) } = {},
  ): Promise<Served> {
    const prepared = await place.prepare();
    const { host } = prepared.sandbox;
    const { relay } = prepared;
    await handToShim(prepared.prepared, {
      shim: { pid: place.os.self.pid, startTicks: place.os.self.startTicks },
      relay,
    });
    await mkdir(path.dirname(host.paths.socket), { recursive: true });
    const shim = new Shim({
      os: host.os,
      log: silentLogger,
      config: host.config,
      configFor: async () => host.config,
      listener: await place.os.sockets.listen(host.paths.socket, 0o600),
      arguments: {
        root: place.root,
        id: host.id,
        bundle: place.directory,
        config: undefined,
        overrides: [],
        debug: false,
        logFormat: "text",
      },
      version: "1.2.3",
      startMs: place.os.clock.monotonic(),
      createTimeoutMs,
      starterGone,
    });
    return new Served(place, prepared, shim);
  }

  get id(): string {
    return this.prepared.sandbox.host.id;
  }

  get relay(): { pid: number; startTicks: bigint } {
    const { pid, startTicks } = this.prepared.relay;
    return { pid, startTicks: BigInt(startTicks) };
  }

  dial(): Promise<ByteStream> {
    return this.#place.os.sockets.connect(this.prepared.sandbox.host.paths.socket);
  }

  async connect() {
    const connection = new TtrpcConnection(await this.dial());
    this.#connections.push(connection);
    return {
      oci: ttrpcClient(OciDefinition, connection, { timeoutMs: 60_000 }),
      task: ttrpcClient(TaskDefinition, connection, { timeoutMs: 60_000 }),
      task3: ttrpcClient(TaskDefinition, connection, { serviceName: "containerd.task.v3.Task" }),
      close: () => connection.close(),
    };
  }

  async stream(stream: StdioStream): Promise<{ read: Promise<string>; stream: ByteStream }> {
    const connection = await this.dial();
    const reader = await sayHello(connection, { id: this.id, execId: undefined, stream });
    return { read: readAll(reader.rest(), 1 << 20).then(decodeUtf8), stream: connection };
  }

  createRequest(patch: (spec: BundleSpec) => void = () => {}) {
    const document = structuredClone(this.prepared.document);
    patch(document);
    return { id: this.id, bundle: this.#place.directory, specJson: JSON.stringify(document), relay: this.relay };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.shim.stop();
    await this.finished;
    for (const connection of this.#connections) connection.close();
    await recoverContainer(this.#place.os, this.#place.root, this.id);
  }
}

function runs(...args: [string, ...string[]]): (spec: BundleSpec) => void {
  return (spec) => {
    spec.process.args = args;
  };
}

describe("a shim", () => {
  let place: SandboxPlace;

  before(async () => {
    place = await SandboxPlace.open();
  });
  after(() => place.close());

  it("serves a container from create to delete, to verbs and relay at the same time", async () => {
    await using served = await Served.start(place);
    const relay = await served.connect();
    const attached = relay.oci.attachRelay({ id: served.id, relay: served.relay });
    const [stdout, stderr] = [served.stream("stdout"), served.stream("stderr")];
    const verb = await served.connect();
    const script = runs("/bin/sh", "-c", "read line; echo got $line; exit 4");
    const { createdAt, notices } = await verb.oci.createContainer(served.createRequest(script));
    assert.ok((createdAt?.seconds ?? 0n) > 0n);
    assert.deepEqual(notices, []);
    assert.equal((await attached).terminal, false);
    const wait = relay.task.wait({ id: served.id });
    const { stream: stdin } = await served.stream("stdin");

    const created = await verb.oci.state({ id: served.id });
    assert.deepEqual([created.status, created.pid, created.bundle], ["created", served.relay.pid, place.directory]);
    assert.equal((await verb.task.start({ id: served.id })).pid, served.relay.pid);
    assert.equal((await verb.task.state({ id: served.id })).status, Status.RUNNING);
    assert.equal((await verb.oci.state({ id: served.id })).status, "running");
    assert.deepEqual(await verb.task3.connect({ id: served.id }), {
      shimPid: process.pid,
      taskPid: served.relay.pid,
      version: "1.2.3",
    });

    await stdin.write(encodeUtf8("hello\n"));
    assert.equal((await wait).exitStatus, 4);
    assert.equal(await (await stdout).read, "got hello\n");
    assert.equal(await (await stderr).read, "");
    await served.finished;
    assert.ok(!existsSync(served.prepared.sandbox.host.paths.socket));
  });

  it("pauses, updates and measures a container, and lists its processes", async () => {
    await using served = await Served.start(place);
    const relay = await served.connect();
    void relay.oci.attachRelay({ id: served.id, relay: served.relay });
    const outputs = [served.stream("stdout"), served.stream("stderr")];
    const { oci, task } = await served.connect();
    const { id } = served;
    const statuses = async () => [(await oci.state({ id })).status, (await task.state({ id })).status];
    await oci.createContainer(served.createRequest(runs("/bin/sh", "-c", "sleep 1000; exit 1")));
    await assert.rejects(task.pause({ id }), /container not running/);
    await task.start({ id });

    await task.pause({ id });
    assert.deepEqual(await statuses(), ["paused", Status.PAUSED]);
    assert.equal((await readRecord(place.os, served.prepared.sandbox.host.paths.state))?.status.phase, "paused");
    await assert.rejects(task.pause({ id }), /container not running/);
    await assert.rejects(oci.execProcess({ id, execId: "x", processJson: "{}", relay: served.relay }), /paused/);
    await task.resume({ id });
    await assert.rejects(task.resume({ id }), /container not paused/);
    assert.deepEqual(await statuses(), ["running", Status.RUNNING]);

    const typeUrl = "types.containerd.io/opencontainers/runtime-spec/1/LinuxResources";
    const update = (document: string) => task.update({ id, resources: { typeUrl, value: encodeUtf8(document) } });
    await update('{"memory": null, "cpu": {"cpus": "0"}, "devices": [{"allow": true}]}');
    assert.deepEqual(served.shim.sandbox.container(id).resources.cpu, { cpus: "0" });
    await assert.rejects(update('{"cpu": {"shares": "many"}}'), /the new resources: cpu\.shares/);
    await assert.rejects(update('{"cpu": {"cpus": "seven"}}'), /"seven" is not a list of numbers/);
    await assert.rejects(update("{"), /the new resources: line 1/);
    await assert.rejects(task.update({ id, resources: { typeUrl: "x", value: encodeUtf8("{}") } }), /an update needs/);
    assert.deepEqual(served.shim.sandbox.container(id).resources.cpu, { cpus: "0" });

    const { pids, hostPids } = await oci.processes({ id });
    assert.deepEqual([pids.length > 0, hostPids], [true, [served.relay.pid]]);
    assert.match((await oci.processes({ id, table: true, psArgs: ["-o", "args="] })).table, /sleep 1000/);
    await assert.rejects(oci.processes({ id, table: true, psArgs: ["-z"] }), /"-z" is not supported/);
    assert.equal((await task.stats({ id })).stats?.typeUrl, "io.containerd.cgroups.v2.Metrics");
    assert.ok("memory" in (JSON.parse((await oci.stats({ id })).json) as object));

    const { count } = await oci.awaitOom({ id });
    const waiting = oci.awaitOom({ id, seen: count });
    await task.pause({ id });
    await task.kill({ id, signal: 9 });
    assert.deepEqual(await waiting, { count: 0n, ended: true });
    for (const output of outputs) assert.equal(await (await output).read, "");
    await served.finished;
  });

  it("removes the sandbox when its caller disconnects before the answer, and ends", async () => {
    await using served = await Served.start(place);
    const verb = await served.connect();
    const creating = verb.oci.createContainer(served.createRequest());
    const { timeline } = served.shim.sandbox.host;
    while (!("share" in timeline.marks)) await new Promise((resolve) => setImmediate(resolve));
    verb.close();
    await assert.rejects(creating);
    await served.finished;
    assert.deepEqual(await place.remains(), []);
    assert.deepEqual(await served.prepared.relay.exited, { kind: "signalled", signal: 9 });
  });

  it("ends after a create that failed, and its caller gets the reason", async () => {
    await using served = await Served.start(place);
    const verb = await served.connect();
    const creating = verb.oci.createContainer(served.createRequest(runs("/bin/no-such-program")));
    await assert.rejects(creating, (error) => {
      assert.ok(isTtrpcError(error));
      assert.equal(error.remote?.code, "process/executable-not-found");
      return true;
    });
    await served.finished;
  });

  it("refuses an invalid specification before anything is created", async () => {
    await using served = await Served.start(place);
    const verb = await served.connect();
    await assert.rejects(
      verb.oci.createContainer({ ...served.createRequest(), specJson: "{" }),
      /config.json: line 1, column 2: the document ends too early/,
    );
    await served.finished;
  });

  it("ends when nobody asks for a container", async () => {
    await using served = await Served.start(place, { createTimeoutMs: 1 });
    await served.finished;
    assert.deepEqual(await place.remains(), []);
  });

  it("ends at once when the verb that started it is dead", async () => {
    await using served = await Served.start(place, { starterGone: Promise.resolve() });
    await served.finished;
    assert.deepEqual(await place.remains(), []);
  });

  it("kills a container whose relay's connection breaks", async () => {
    await using served = await Served.start(place);
    const relay = await served.connect();
    void relay.oci.attachRelay({ id: served.id, relay: served.relay });
    const verb = await served.connect();
    await verb.oci.createContainer(served.createRequest(runs("/bin/sleep", "1000")));
    await verb.task.start({ id: served.id });
    const wait = verb.task.wait({ id: served.id });
    relay.close();
    assert.equal((await wait).exitStatus, 137);
    await served.finished;
  });

  it("states its id, and refuses others", async () => {
    await using served = await Served.start(place);
    const verb = await served.connect();
    const { id, root, version, shim } = await verb.oci.info({});
    assert.deepEqual([id, root, version, shim?.pid], [served.id, place.root, "1.2.3", process.pid]);
    const code = async (call: Promise<unknown>) =>
      call.then(
        () => "no error",
        (error) => isTtrpcError(error) && error.code,
      );
    assert.equal(await code(verb.oci.state({ id: "other" })), grpcCode.notFound);
    assert.equal(await code(verb.task.start({ id: served.id })), grpcCode.notFound);
    assert.equal(await code(verb.task.create({ id: served.id })), grpcCode.unimplemented);
    assert.equal(await code(verb.task.checkpoint({ id: served.id })), grpcCode.unimplemented);
    assert.equal(await code(verb.oci.createContainer({ id: served.id })), grpcCode.invalidArgument);
  });

  it("closes connections that are neither calls nor streams", async () => {
    await using served = await Served.start(place);
    const stranger = await served.dial();
    await stranger.write(encodeUtf8("GET / HTTP/1.1\r\n\r\n"));
    assert.ok((await readAll(stranger, 1 << 16)).length < 200);
    const confused = await served.dial();
    await confused.write(encodeUtf8("CONNECT nonsense\n"));
    assert.match(decodeUtf8(await readAll(confused, 1 << 16)), /^ERROR .*is not a hello line/);
    await (await served.dial()).end();
    const verb = await served.connect();
    assert.equal((await verb.oci.info({})).id, served.id);
  });

  it("shuts down when it has no container, or at once if told to", async () => {
    await using served = await Served.start(place);
    const verb = await served.connect();
    await verb.oci.createContainer(served.createRequest());
    await verb.task.shutdown({ id: served.id });
    assert.equal((await verb.oci.state({ id: served.id })).status, "created");
    await verb.task.shutdown({ id: served.id, now: true });
    await served.finished;
  });
});
