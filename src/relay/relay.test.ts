import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { TaskDefinition } from "../protocol/gen/containerd/task/shim.ts";
import { OciDefinition } from "../protocol/gen/kumite/oci/v1/oci.ts";
import { serve } from "../protocol/ttrpc/server.ts";
import { ttrpcService } from "../protocol/ttrpc/service-table.ts";
import { TtrpcError } from "../protocol/ttrpc/status.ts";
import { awaitReady } from "../shim-client/boot-message.ts";
import type { RelayOptions } from "../shim-client/relay-arguments.ts";
import { acceptHello, helloFirstByte, maxHelloBytes, parseHello, refuseHello } from "../shim-client/stdio-hello.ts";
import { nodeOs } from "../sys/node/node-os.ts";
import type { ByteStream, Listener, Os, SignalEvent } from "../sys/os.ts";
import { ByteReader } from "../util/byte-reader.ts";
import { readAll } from "../util/bytes.ts";
import { type Deferred, deferred } from "../util/deferred.ts";
import { streamPair } from "../util/stream-pair.ts";
import { decodeUtf8, encodeUtf8 } from "../util/text.ts";
import { runRelay } from "./relay.ts";

/** The part of a shim that a relay sees, on a real socket. */
class FakeShim {
  readonly calls: string[] = [];
  readonly exit: Deferred<number> = deferred();
  readonly #streams = new Map<string, Deferred<ByteStream>>();
  readonly #connections: ByteStream[] = [];
  readonly #listener: Listener;
  /** The answer to AttachRelay. */
  attached: Promise<void> = Promise.resolve();
  refused: string | undefined;

  constructor(listener: Listener) {
    this.#listener = listener;
    void this.#accept();
  }

  /** The shim's end of a stream, once the relay has opened it. */
  stream(name: string): Promise<ByteStream> {
    return this.#stream(name).promise;
  }

  die(): void {
    for (const connection of this.#connections) connection.close();
  }

  async close(): Promise<void> {
    this.die();
    await this.#listener.close();
  }

  #stream(name: string): Deferred<ByteStream> {
    const known = this.#streams.get(name) ?? deferred<ByteStream>();
    this.#streams.set(name, known);
    return known;
  }

  async #accept(): Promise<void> {
    for await (const connection of this.#listener) {
      this.#connections.push(connection);
      void this.#serve(connection);
    }
  }

  async #serve(connection: ByteStream): Promise<void> {
    const first = await connection.read();
    if (first === undefined) return;
    const rewound = withFirst(first, connection);
    if (first[0] !== helloFirstByte) {
      serve(rewound, [this.#task(), this.#oci()]);
      return;
    }
    const hello = parseHello((await new ByteReader(rewound).readLine(maxHelloBytes)) ?? "");
    assert.equal(hello.id, "web");
    if (this.refused === hello.stream) {
      await refuseHello(connection, "no such stream");
      connection.close();
      return;
    }
    await acceptHello(connection);
    this.#stream(hello.stream).resolve(connection);
  }

  #task() {
    return ttrpcService(TaskDefinition, {
      wait: async () => ({ exitStatus: await this.exit.promise }),
      kill: ({ execId, signal }) => {
        this.calls.push(`kill ${execId || "-"} ${signal}`);
        return {};
      },
      resizePty: ({ width, height }) => {
        this.calls.push(`resize ${width}x${height}`);
        return {};
      },
    });
  }

  #oci() {
    return ttrpcService(OciDefinition, {
      attachRelay: async ({ relay, execId }) => {
        this.calls.push(`attach ${execId || "-"} ${relay?.pid}`);
        await this.attached;
        return { terminal: false };
      },
    });
  }
}

function withFirst(first: Uint8Array, stream: ByteStream): ByteStream {
  let pending: Uint8Array | undefined = first;
  return {
    read: async (signal) => {
      const bytes = pending ?? (await stream.read(signal));
      pending = undefined;
      return bytes;
    },
    write: (bytes) => stream.write(bytes),
    end: () => stream.end(),
    close: () => stream.close(),
  };
}

/** A relay whose descriptors 0 to 2 and status channel the test controls. */
class Bench {
  readonly status: Promise<"ready" | undefined>;
  readonly exited: Promise<number>;
  /** The caller's ends of the streams. */
  readonly stdin: ByteStream;
  readonly stdout: ByteStream;
  readonly stderr: ByteStream;
  signal: (event: SignalEvent) => void = () => {};

  constructor(os: Os, options: RelayOptions) {
    const pairs = [0, 1, 2].map(() => streamPair({ capacity: 65_536 }));
    [this.stdin, this.stdout, this.stderr] = pairs.map(([ours]) => ours) as [ByteStream, ByteStream, ByteStream];
    const [status, theirStatus] = streamPair();
    this.status = awaitReady(status);
    this.status.catch(() => {});
    const self = {
      ...os.self,
      stream: (fd: number) => pairs[fd]?.[1] as ByteStream,
      onSignals: (_signals: readonly number[], handler: (event: SignalEvent) => void) => {
        this.signal = handler;
      },
    };
    this.exited = runRelay({ ...os, self }, options, theirStatus);
  }

  send(signal: number): void {
    this.signal({ signal, fromKernel: false, senderPid: 1 });
  }
}

const text = async (stream: ByteStream): Promise<string> => decodeUtf8(await readAll(stream, 1 << 28));

describe("a relay", () => {
  const os = nodeOs({ installRoot: "/nowhere" });
  let directory: string;
  let count = 0;
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "kumite-relay-"));
  });
  after(() => rm(directory, { recursive: true }));

  async function shimAndOptions(): Promise<[FakeShim, RelayOptions]> {
    const socket = join(directory, `${++count}`);
    const shim = new FakeShim(await os.sockets.listen(socket, 0o600));
    return [shim, { socket, id: "web", execId: undefined, stdio: { kind: "streams" } }];
  }

  it("carries input and its end, output and errors, and exits with the status", async () => {
    const [shim, options] = await shimAndOptions();
    const relay = new Bench(os, options);
    assert.equal(await relay.status, "ready");
    const guest = {
      in: await shim.stream("stdin"),
      out: await shim.stream("stdout"),
      err: await shim.stream("stderr"),
    };
    await relay.stdin.write(encodeUtf8("typed"));
    await relay.stdin.end();
    assert.equal(await text(guest.in), "typed");
    await guest.out.write(encodeUtf8("out"));
    await guest.err.write(encodeUtf8("err"));
    guest.out.close();
    assert.equal(await text(relay.stdout), "out", "the host's output is closed as soon as the process closes its own");
    guest.err.close();
    shim.exit.resolve(42);
    assert.equal(await relay.exited, 42);
    assert.equal(await text(relay.stderr), "err");
    assert.deepEqual(shim.calls, [`attach - ${process.pid}`]);
    await shim.close();
  });

  it("writes all output after the process has ended, however slowly it is read", async () => {
    const [shim, options] = await shimAndOptions();
    const relay = new Bench(os, options);
    const out = await shim.stream("stdout");
    (await shim.stream("stderr")).close();
    const megabytes = new Uint8Array(3 << 20).fill(0x78);
    const written = out.write(megabytes).then(() => out.close());
    shim.exit.resolve(0);
    let ended = false;
    void relay.exited.then(() => {
      ended = true;
    });
    let length = 0;
    for (let part = await relay.stdout.read(); part !== undefined; part = await relay.stdout.read()) {
      assert.equal(ended, false, "it does not end before its output is taken");
      length += part.length;
      await nextTurn();
    }
    await written;
    assert.equal(length, megabytes.length);
    assert.equal(await relay.exited, 0);
    await shim.close();
  });

  it("does not wait for a descendant that keeps the output open", async () => {
    const [shim, options] = await shimAndOptions();
    const relay = new Bench(os, { ...options, execId: "e1" });
    await (await shim.stream("stdout")).write(encodeUtf8("last words"));
    await shim.stream("stderr");
    shim.exit.resolve(7);
    assert.equal(await relay.exited, 7);
    assert.equal(decodeUtf8((await relay.stdout.read()) as Uint8Array), "last words");
    await shim.close();
  });

  it("does not let one blocked stream block another", async () => {
    const [shim, options] = await shimAndOptions();
    const relay = new Bench(os, options);
    const blocked = (await shim.stream("stdout")).write(new Uint8Array(8 << 20));
    blocked.catch(() => {});
    const err = await shim.stream("stderr");
    for (const word of ["one", "two"]) {
      await err.write(encodeUtf8(word));
      assert.equal(decodeUtf8((await relay.stderr.read()) as Uint8Array), word);
    }
    await relay.stdin.write(encodeUtf8("in"));
    assert.equal(decodeUtf8((await (await shim.stream("stdin")).read()) as Uint8Array), "in");
    relay.send(15);
    relay.stdout.close();
    err.close();
    shim.exit.resolve(0);
    assert.equal(await relay.exited, 0);
    assert.ok(shim.calls.includes("kill - 15"));
    await shim.close();
  });

  it("passes on a reader's end as a broken pipe, and continues", async () => {
    const [shim, options] = await shimAndOptions();
    const relay = new Bench(os, options);
    relay.stdout.close();
    const out = await shim.stream("stdout");
    await assert.rejects(async () => {
      for (;;) await out.write(new Uint8Array(65_536));
    }, /EPIPE|broken pipe|reset/i);
    (await shim.stream("stderr")).close();
    shim.exit.resolve(141);
    assert.equal(await relay.exited, 141);
    await shim.close();
  });

  it("sends SIGHUP to a foreground process when its terminal is gone, and only then", async () => {
    const [shim, options] = await shimAndOptions();
    let gone = false;
    const terminals = { ...os.terminals, isTerminal: () => !gone, windowSize: () => ({ rows: 0, columns: 0 }) };
    const foreground: RelayOptions = { ...options, stdio: { kind: "terminal" } };
    const quiet = new Bench({ ...os, terminals }, foreground);
    await quiet.stdin.end();
    assert.equal(await text(await shim.stream("stdin")), "");
    (await shim.stream("stdout")).close();
    shim.exit.resolve(0);
    await quiet.exited;
    assert.ok(!shim.calls.some((call) => call.startsWith("kill")));
    await shim.close();

    const [other, more] = await shimAndOptions();
    const relay = new Bench({ ...os, terminals }, { ...more, stdio: { kind: "terminal" } });
    const input = await other.stream("stdin");
    gone = true;
    await relay.stdin.end();
    await text(input);
    while (!other.calls.includes("kill - 1")) await nextTurn();
    (await other.stream("stdout")).close();
    other.exit.resolve(129);
    assert.equal(await relay.exited, 129);
    await other.close();
  });

  it("hangs up a writer to a process that stopped reading", async () => {
    const [shim, options] = await shimAndOptions();
    const relay = new Bench(os, options);
    (await shim.stream("stdin")).close();
    await assert.rejects(async () => {
      for (;;) await relay.stdin.write(new Uint8Array(4096));
    }, /broken pipe/);
    await shim.close();
    assert.equal(await relay.exited, 137);
  });

  it("passes signals to its own process only", async () => {
    const [shim, options] = await shimAndOptions();
    const relay = new Bench(os, { ...options, execId: "e1" });
    await shim.stream("stdout");
    relay.send(1);
    relay.send(12);
    shim.exit.resolve(0);
    await relay.exited;
    assert.deepEqual(shim.calls.slice(1), ["kill e1 1", "kill e1 12"]);
    await shim.close();
  });

  it("exits with 137 when the shim is lost", async () => {
    const [shim, options] = await shimAndOptions();
    const relay = new Bench(os, options);
    await (await shim.stream("stdout")).write(encodeUtf8("before"));
    await shim.stream("stderr");
    await shim.close();
    assert.equal(await relay.exited, 137);
    assert.equal(await text(relay.stdout), "before");
  });

  it("exits with 137 when it is refused", async () => {
    const [shim, options] = await shimAndOptions();
    shim.attached = Promise.reject(new TtrpcError(5, "no such process"));
    shim.attached.catch(() => {});
    assert.equal(await new Bench(os, options).exited, 137);
    await shim.close();
  });

  it("continues without a stream that it is refused", async () => {
    const [shim, options] = await shimAndOptions();
    shim.refused = "stderr";
    const relay = new Bench(os, options);
    const out = await shim.stream("stdout");
    await out.write(encodeUtf8("out"));
    out.close();
    shim.exit.resolve(3);
    assert.equal(await text(relay.stdout), "out");
    assert.equal(await relay.exited, 3);
    await shim.close();
  });

  it("says why it cannot start", async () => {
    const socket = join(directory, "nobody");
    const relay = new Bench(os, { socket, id: "web", execId: undefined, stdio: { kind: "streams" } });
    await assert.rejects(relay.status, new RegExp(`${socket}.*no such file`));
    assert.equal(await relay.exited, 137);
  });

  it("never exits with a status that is out of range", async () => {
    const [shim, options] = await shimAndOptions();
    const relay = new Bench(os, options);
    for (const name of ["stdout", "stderr"]) (await shim.stream(name)).close();
    shim.exit.resolve(256);
    assert.equal(await relay.exited, 255);
    await shim.close();
  });
});
