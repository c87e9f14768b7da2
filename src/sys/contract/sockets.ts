/** Checks of `Sockets` and of streams over them. */
import { readAll } from "../../util/bytes.ts";
import { deferred } from "../../util/deferred.ts";
import { decodeUtf8, encodeUtf8 } from "../../util/text.ts";
import type { ByteStream, Listener, Os } from "../os.ts";
import type { ContractCheck } from "../os-contract.ts";
import { scratch, shell, textOf } from "./scratch.ts";

interface Pair extends AsyncDisposable {
  readonly client: ByteStream;
  readonly server: ByteStream;
}

async function pair(os: Os, directory: string): Promise<Pair> {
  const listener = await os.sockets.listen(`${directory}/pair`, 0o600);
  const [client, server] = await Promise.all([os.sockets.connect(listener.path), first(listener)]);
  await listener.close();
  return {
    client,
    server,
    async [Symbol.asyncDispose]() {
      client.close();
      server.close();
    },
  };
}

async function first(listener: Listener): Promise<ByteStream> {
  for await (const stream of listener) return stream;
  throw new Error("the listener ended");
}

/** Reads until that many bytes have arrived, or to the end. */
async function readLength(stream: ByteStream, length: number): Promise<Uint8Array> {
  const whole = new Uint8Array(length);
  let at = 0;
  while (at < length) {
    const part = await stream.read();
    if (part === undefined) break;
    whole.set(part.subarray(0, length - at), at);
    at += part.length;
  }
  return whole.subarray(0, at);
}

export const socketsContract: readonly ContractCheck[] = [
  {
    name: "a failed connect distinguishes a missing socket from one on which nobody listens",
    async run(os, assert) {
      await using dir = await scratch(os);
      await assert.rejects(os.sockets.connect(`${dir.path}/none`), { errno: "ENOENT" });
      await os.files.write(`${dir.path}/file`, "");
      await assert.rejects(os.sockets.connect(`${dir.path}/file`), { errno: "ECONNREFUSED" });
    },
  },
  {
    name: "a socket path has at most 107 bytes",
    async run(os, assert) {
      await using dir = await scratch(os);
      const fill = (length: number) => `${dir.path}/${"x".repeat(length - dir.path.length - 1)}`;
      await assert.rejects(os.sockets.connect(fill(108)), { errno: "ENAMETOOLONG" });
      await assert.rejects(os.sockets.listen(fill(108), 0o600), { errno: "ENAMETOOLONG" });
      const listener = await os.sockets.listen(fill(107), 0o600);
      (await os.sockets.connect(listener.path)).close();
      await listener.close();
    },
  },
  {
    name: "a listening socket has its mode, is exclusive, and is removed with its file",
    async run(os, assert) {
      await using dir = await scratch(os);
      const path = `${dir.path}/s`;
      const listener = await os.sockets.listen(path, 0o666);
      const status = await os.files.status(path);
      assert.deepEqual([status?.kind, status?.mode], ["socket", 0o666]);
      await assert.rejects(os.sockets.listen(path, 0o600), { errno: "EADDRINUSE" });
      const accepting = (async () => {
        for await (const _ of listener) return "a connection";
        return "the end";
      })();
      await listener.close();
      assert.equal(await accepting, "the end");
      assert.equal(await os.files.linkStatus(path), undefined);
      await listener.close();
    },
  },
  {
    name: "bytes and then the end arrive in order, while the other direction continues",
    async run(os, assert) {
      await using dir = await scratch(os);
      await using both = await pair(os, dir.path);
      const writes = ["one ", "two ", "three"].map((text) => both.client.write(encodeUtf8(text)));
      const ended = both.client.end();
      assert.equal(decodeUtf8(await readAll(both.server, 1000)), "one two three");
      await Promise.all([...writes, ended]);
      assert.equal(await both.server.read(), undefined);
      await both.server.write(encodeUtf8("answer"));
      await both.server.end();
      assert.equal(decodeUtf8(await readAll(both.client, 1000)), "answer");
      await assert.rejects(both.client.write(encodeUtf8("late")), { errno: "EPIPE" });
    },
  },
  {
    name: "a slow reader slows the writer",
    async run(os, assert) {
      await using dir = await scratch(os);
      await using both = await pair(os, dir.path);
      let done = false;
      const size = 8 << 20;
      const writing = both.client.write(new Uint8Array(size)).then(() => {
        done = true;
      });
      const head = await both.server.read();
      assert.equal(done, false, "the write ended before it was read");
      const rest = await readLength(both.server, size - (head?.length ?? 0));
      await writing;
      assert.equal((head?.length ?? 0) + rest.length, size);
    },
  },
  {
    name: "8 MiB arrive unchanged",
    async run(os, assert) {
      await using dir = await scratch(os);
      await using both = await pair(os, dir.path);
      const sent = new Uint8Array(8 << 20);
      for (let i = 0; i < sent.length; i += 4093) sent[i] = i;
      const half = sent.length / 2;
      const parts = [sent.subarray(0, 7), sent.subarray(7, half), sent.subarray(half)];
      const writing = Promise.all(parts.map((part) => both.client.write(part)));
      const got = await readLength(both.server, sent.length);
      await writing;
      assert.ok(got.length === sent.length && got.every((byte, i) => byte === sent[i]), "the bytes differ");
    },
  },
  {
    name: "an aborted read loses nothing, and the stream continues",
    async run(os, assert) {
      await using dir = await scratch(os);
      await using both = await pair(os, dir.path);
      const controller = new AbortController();
      const reading = both.server.read(controller.signal);
      controller.abort();
      await assert.rejects(reading, { code: "aborted" });
      await both.client.write(encodeUtf8("later"));
      assert.equal(decodeUtf8(await readLength(both.server, 5)), "later");
      const over = new AbortController();
      over.abort();
      await assert.rejects(both.server.read(over.signal), { code: "aborted" });
    },
  },
  {
    name: "closing ends a pending read, fails a pending write, and may be repeated",
    async run(os, assert) {
      await using dir = await scratch(os);
      await using both = await pair(os, dir.path);
      const reading = both.client.read();
      const writing = both.client.write(new Uint8Array(8 << 20));
      const failed = assert.rejects(writing, { errno: "EPIPE" });
      both.client.close();
      both.client.close();
      assert.equal(await reading, undefined);
      await failed;
      assert.equal(await both.client.read(), undefined);
      await assert.rejects(both.client.write(encodeUtf8("x")), { errno: "EPIPE" });
    },
  },
  {
    name: "a write to a peer that has disconnected fails with EPIPE and kills no process",
    async run(os, assert) {
      await using dir = await scratch(os);
      await using both = await pair(os, dir.path);
      both.server.close();
      const failing = (async () => {
        for (;;) await both.client.write(encodeUtf8("x"));
      })();
      await assert.rejects(failing, { errno: "EPIPE" });
    },
  },
  {
    name: "a busy stream does not delay others",
    async run(os, assert) {
      await using dir = await scratch(os);
      await using busy = await pair(os, dir.path);
      await using quiet = await pair(os, dir.path);
      const stop = deferred();
      let stopped = false;
      void stop.promise.then(() => {
        stopped = true;
      });
      const chunk = new Uint8Array(65536);
      const writing = (async () => {
        while (!stopped) await busy.client.write(chunk);
        await busy.client.end();
      })();
      const reading = (async () => {
        while ((await busy.server.read()) !== undefined);
      })();
      await quiet.client.write(encodeUtf8("ping"));
      assert.equal(decodeUtf8((await quiet.server.read()) ?? new Uint8Array()), "ping");
      stop.resolve();
      await Promise.all([writing, reading]);
    },
  },
  {
    name: "a descriptor is passed to a child, and closed if the child does not take it",
    async run(os, assert) {
      await using dir = await scratch(os);
      const listener = await os.sockets.listen(`${dir.path}/s`, 0o600);
      const script = "read -r word <&3; echo $word >&3; read -r word <&3";
      const child = await shell(os, script, { descriptors: { 3: { kind: "stream" } } });
      const stream = child.streams.get(3) as ByteStream;
      await os.sockets.sendDescriptor(stream, "take it\n", { kind: "connect", path: listener.path });
      const handed = await first(listener);
      // A plain read gets the text without the descriptor, which the kernel then closes.
      assert.equal(await textOf(handed), "");
      assert.equal(decodeUtf8(await readLength(stream, 8)), "take it\n");
      await assert.rejects(os.sockets.sendDescriptor(stream, "x", { kind: "read", path: `${dir.path}/none` }), {
        errno: "ENOENT",
      });
      await stream.end();
      await child.exited;
      stream.close();
      await listener.close();
    },
  },
];
