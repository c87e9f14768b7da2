import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { isKumiteError, isSystemError } from "../../util/errors.ts";
import type { ByteStream } from "../os.ts";
import { listenOnPath } from "./socket-listener.ts";
import { SocketStream } from "./socket-stream.ts";
import { nodeSockets } from "./sockets.ts";

const sockets = nodeSockets("/nowhere");

describe("a socket of Node as a byte stream", () => {
  let directory: string;
  let count = 0;

  before(() => {
    directory = mkdtempSync(join(tmpdir(), "kumite-stream-"));
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  async function pair(): Promise<{ ours: ByteStream; theirs: ByteStream; path: string }> {
    count += 1;
    const path = join(directory, `${count}.sock`);
    const listener = await listenOnPath(path, 0o600);
    const ours = await sockets.connect(path);
    const { value: theirs } = await listener[Symbol.asyncIterator]().next();
    await listener.close();
    return { ours, theirs, path };
  }

  it("returns arrays whose slice is a copy", async () => {
    const { ours, theirs } = await pair();
    await ours.write(Buffer.from("text"));
    const bytes = (await theirs.read()) as Uint8Array;
    const copy = bytes.slice();
    bytes[0] = 0;
    assert.equal(copy[0], "t".charCodeAt(0));
    ours.close();
    theirs.close();
  });

  it("holds back a writer whose reader does not read", async () => {
    const { ours, theirs } = await pair();
    const block = new Uint8Array(1024 * 1024);
    let written = 0;
    const writing = (async () => {
      for (; written < 32; written += 1) await ours.write(block);
    })();
    // After a round trip in the other direction, everything that can move without a reader has moved.
    await theirs.write(Buffer.from("x"));
    await ours.read();
    assert.ok(written <= 1, `${written} MiB went into a stream that nobody reads`);
    let length = 0;
    const reading = (async () => {
      for (let part = await theirs.read(); part !== undefined; part = await theirs.read()) length += part.length;
    })();
    await writing;
    await ours.end();
    await reading;
    assert.equal(length, 32 * block.length);
    theirs.close();
  });

  it("loses no bytes when a read is aborted", async () => {
    const { ours, theirs } = await pair();
    const controller = new AbortController();
    const read = theirs.read(controller.signal);
    controller.abort();
    await assert.rejects(read, (error) => isKumiteError(error, "aborted"));
    await ours.write(Buffer.from("kept"));
    assert.equal(String(Buffer.from((await theirs.read()) ?? [])), "kept");
    ours.close();
    theirs.close();
  });

  it("still reads after its own writing side has ended", async () => {
    const { ours, theirs } = await pair();
    await ours.end();
    assert.equal(await theirs.read(), undefined);
    await theirs.write(Buffer.from("answer"));
    assert.equal(String(Buffer.from((await ours.read()) ?? [])), "answer");
    ours.close();
    theirs.close();
  });

  it("ends a pending read and fails a pending write when it is closed", async () => {
    const { ours, theirs } = await pair();
    const read = ours.read();
    const write = ours.write(new Uint8Array(8 * 1024 * 1024));
    ours.close();
    assert.equal(await read, undefined);
    await assert.rejects(write, (error) => isSystemError(error, "EPIPE"));
    await assert.rejects(ours.write(new Uint8Array(1)), (error) => isSystemError(error, "EPIPE"));
    theirs.close();
  });

  it("has nothing left to end when it is closed", async () => {
    const { ours, theirs } = await pair();
    ours.close();
    await ours.end();
    theirs.close();
    await theirs.end();
  });

  it("keeps a child's last output although Node flushes the child's streams at its exit", async () => {
    const child = spawn("sh", ["-c", "head -c 3000000 /dev/zero >&3"], {
      stdio: ["ignore", "ignore", "ignore", "pipe"],
    });
    const stream = new SocketStream(child.stdio[3] as Socket);
    let length = (await stream.read())?.length ?? 0;
    for (let part = await stream.read(); part !== undefined; part = await stream.read()) length += part.length;
    assert.equal(length, 3_000_000);
    stream.close();
  });

  it("writes the parts of one message in order", async () => {
    const { ours, theirs } = await pair();
    await ours.writeAll?.([Buffer.from("one "), Buffer.from("two "), Buffer.from("three")]);
    await ours.end();
    let text = "";
    for (let part = await theirs.read(); part !== undefined; part = await theirs.read()) text += Buffer.from(part);
    assert.equal(text, "one two three");
    ours.close();
    theirs.close();
  });

  it("creates the socket file with the requested mode and removes it", async () => {
    const path = join(directory, "mode.sock");
    const listener = await listenOnPath(path, 0o600);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    await listener.close();
    assert.ok(!existsSync(path));
  });

  it("refuses an address that the kernel would truncate", async () => {
    const path = join(directory, "x".repeat(120));
    await assert.rejects(listenOnPath(path, 0o600), (error) => isSystemError(error, "ENAMETOOLONG"));
    await assert.rejects(sockets.connect(path), (error) => isSystemError(error, "ENAMETOOLONG"));
  });

  it("reports the kernel's error when nobody listens", async () => {
    await assert.rejects(sockets.connect(join(directory, "none")), (error) => isSystemError(error, "ENOENT"));
  });
});
