/** Streams over every kind of descriptor. */
import * as native from "kumite:native";
import { readAll } from "../../util/bytes.ts";
import { decodeUtf8, encodeUtf8 } from "../../util/text.ts";
import { textOf } from "../contract/scratch.ts";
import { unlink } from "../linux/directory.ts";
import { closeQuietly, dupAbove, open, pipe2, setStatusFlags, statusFlags, write } from "../linux/file.ts";
import { O_CLOEXEC, O_CREAT, O_NONBLOCK, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY } from "../linux/open-flags.ts";
import { setPipeSize } from "../linux/pipe.ts";
import { exit } from "../linux/process.ts";
import { recvmsg, SOCK_CLOEXEC, SOCK_STREAM, socketpair } from "../linux/socket.ts";
import { tcgetattr } from "../linux/terminal.ts";
import { readFileText } from "../linux/whole-file.ts";
import type { PipedBytes } from "../os.ts";
import { engineOs } from "./engine-os.ts";
import { startReaper, whenExited } from "./reaper.ts";
import { ownStream, sharedStream } from "./stream.ts";
import { assert } from "./testing/assert.ts";
import { describe, it } from "./testing/suite.ts";

const path = "/tmp/kumite-stream-test";

function pending(promise: Promise<unknown>): Promise<boolean> {
  return Promise.race([
    promise.then(() => false),
    new Promise<boolean>((resolve) => setTimeout(() => resolve(true), 5)),
  ]);
}

describe("a stream over a shared descriptor", () => {
  it("reads a regular file to its end", async () => {
    const fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600);
    unlink(path);
    const content = new Uint8Array(200_000).map((_, i) => i);
    await sharedStream(dupAbove(fd, 3)).write(content);
    const stream = sharedStream(open(`/proc/self/fd/${fd}`, O_RDONLY | O_CLOEXEC));
    const read = await readAll(stream, 1 << 20);
    assert.ok(read.length === content.length && read.every((byte, i) => byte === content[i]));
    assert.equal(await stream.read(), undefined);
    stream.close();
    closeQuietly(fd);
  });

  it("writes a regular file at its current position", async () => {
    const fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600);
    write(fd, encodeUtf8("before "));
    const stream = sharedStream(fd);
    await stream.writeAll?.([encodeUtf8("one "), encodeUtf8(""), encodeUtf8("two")]);
    await stream.end();
    assert.equal(readFileText(path), "before one two");
    stream.close();
    unlink(path);
  });

  it("is at its end immediately for /dev/null, which discards writes", async () => {
    const stream = sharedStream(open("/dev/null", O_RDWR | O_CLOEXEC));
    assert.equal(await stream.read(), undefined);
    await stream.write(new Uint8Array(1 << 20));
    stream.close();
    const zero = sharedStream(open("/dev/zero", O_RDONLY | O_CLOEXEC));
    assert.equal((await zero.read())?.length, 65536);
    zero.close();
    const full = sharedStream(open("/dev/full", O_WRONLY | O_CLOEXEC));
    await assert.rejects(full.write(encodeUtf8("x")), { errno: "ENOSPC" });
    full.close();
  });

  it("does not change the flags of the open file, of any kind", () => {
    const os = engineOs();
    const { read: pipeRead, write: pipeWrite } = pipe2(O_CLOEXEC);
    const [socket, peer] = socketpair(SOCK_STREAM | SOCK_CLOEXEC);
    const { master, slave } = os.terminals.openPty();
    for (const fd of [pipeRead, pipeWrite, socket, master, slave]) {
      const observer = dupAbove(fd, 3);
      const stream = sharedStream(fd);
      assert.equal(statusFlags(observer) & O_NONBLOCK, 0, `descriptor ${fd}`);
      stream.close();
      closeQuietly(observer);
    }
    closeQuietly(peer);
  });

  it("does not block the process when a blocking pipe is full or empty", async () => {
    const fds = pipe2(O_CLOEXEC);
    const [reader, writer] = [sharedStream(fds.read), sharedStream(fds.write)];
    const size = 1 << 20;
    const sent = new Uint8Array(size).map((_, i) => i >> 4);
    const writing = writer.write(sent);
    assert.equal(await pending(writing), true);
    const whole = readAll(reader, size);
    await writing;
    await writer.end();
    const got = await whole;
    assert.ok(got.length === size && got.every((byte, i) => byte === sent[i]));
    reader.close();
    writer.close();
  });

  it("does not block on a blocking socket, whose messages keep their order", async () => {
    const [a, b] = socketpair(SOCK_STREAM | SOCK_CLOEXEC);
    const [one, other] = [sharedStream(a), sharedStream(b)];
    const writing = one.writeAll?.([new Uint8Array(1 << 20).fill(1), new Uint8Array(1 << 20).fill(2)]);
    assert.equal(await pending(writing ?? Promise.resolve()), true);
    const whole = readAll(other, 2 << 20);
    await writing;
    await one.end();
    const got = await whole;
    assert.deepEqual([got.length, got[0], got[(1 << 20) - 1], got[1 << 20]], [2 << 20, 1, 1, 2]);
    one.close();
    other.close();
  });

  it("shares a pipe with another reader, and never waits inside a read", async () => {
    const fds = pipe2(O_CLOEXEC);
    const stream = sharedStream(dupAbove(fds.read, 3));
    const reading = stream.read();
    write(fds.write, encodeUtf8("stolen"));
    // The other reader is faster than the loop, which has been notified already.
    assert.equal(native.read(fds.read, new Uint8Array(64), 0, 64), 6);
    assert.equal(await pending(reading), true);
    write(fds.write, encodeUtf8("ours"));
    assert.equal(decodeUtf8((await reading) ?? new Uint8Array()), "ours");
    stream.close();
    closeQuietly(fds.read);
    closeQuietly(fds.write);
  });

  it("ends the reader's side of a pipe with `end`", async () => {
    const fds = pipe2(O_CLOEXEC);
    const [reader, writer] = [sharedStream(fds.read), sharedStream(fds.write)];
    await writer.write(encodeUtf8("all"));
    await writer.end();
    assert.equal(await textOf(reader), "all");
    reader.close();
    writer.close();
  });
});

describe("moved bytes", () => {
  /** A pipe that holds the bytes. */

  function filled(bytes: Uint8Array): { readonly bytes: PipedBytes; readonly close: () => void } {
    const fds = pipe2(O_CLOEXEC);
    setPipeSize(fds.write, bytes.length);
    write(fds.write, bytes);
    const close = (): void => [fds.read, fds.write].forEach(closeQuietly);
    return { bytes: { fd: fds.read, length: bytes.length }, close };
  }

  it("are in order with other writes, however slow the reader is", async () => {
    for (const [from, to] of [socketpair(SOCK_STREAM | SOCK_CLOEXEC), ownPipe()]) {
      const [writer, reader] = [ownStream(from), ownStream(to)];
      const payload = new Uint8Array(1 << 20).map((_, i) => i >> 5);
      const { bytes, close } = filled(payload);
      void writer.write(encodeUtf8("before "));
      const writing = writer.piped?.write(bytes, encodeUtf8("head ")) ?? Promise.reject(new Error("no piped writing"));
      void writer.write(encodeUtf8(" after"));
      assert.equal(await pending(writing), true);
      const whole = readAll(reader, 2 << 20);
      await writing;
      close();
      await writer.end();
      const got = await whole;
      const text = (from: number, to?: number): string => decodeUtf8(got.subarray(from, to));
      assert.deepEqual([text(0, 12), text(payload.length + 12)], ["before head ", " after"]);
      assert.ok(payload.every((byte, i) => byte === got[i + 12]));
      writer.close();
      reader.close();
    }
  });

  it("fail with the stream, which no longer uses them", async () => {
    const [a, b] = socketpair(SOCK_STREAM | SOCK_CLOEXEC);
    const stream = ownStream(a);
    const { bytes, close } = filled(new Uint8Array(1 << 20));
    const writing = stream.piped?.write(bytes) ?? Promise.resolve();
    assert.equal(await pending(writing), true);
    stream.close();
    await assert.rejects(writing, { errno: "EPIPE" });
    await assert.rejects(stream.piped?.write(bytes) ?? Promise.resolve(), { errno: "EPIPE" });
    close();
    closeQuietly(b);
  });

  it("that are fewer than announced end the stream instead of waiting for ever", async () => {
    const [a, b] = socketpair(SOCK_STREAM | SOCK_CLOEXEC);
    const stream = ownStream(a);
    const fds = pipe2(O_CLOEXEC);
    closeQuietly(fds.write);
    await assert.rejects(stream.piped?.write({ fd: fds.read, length: 1 }) ?? Promise.resolve(), { errno: "EIO" });
    stream.close();
    for (const fd of [fds.read, b]) closeQuietly(fd);
  });

  it("are refused for descriptors to which the kernel cannot move them, or that may block", () => {
    const { terminals } = engineOs();
    const { master, slave } = terminals.openPty();
    const [a, b] = socketpair(SOCK_STREAM | SOCK_CLOEXEC);
    const streams = [ownStream(master), sharedStream(slave), sharedStream(a), sharedStream(b)];
    for (const stream of streams) {
      assert.equal(stream.piped, undefined);
      stream.close();
    }
  });
});

function ownPipe(): [from: number, to: number] {
  const fds = pipe2(O_CLOEXEC);
  return [fds.write, fds.read];
}

describe("a terminal", () => {
  it("carries bytes both ways, unchanged in raw mode, and ends with its last descriptor", async () => {
    const { terminals } = engineOs();
    const { master, slave } = terminals.openPty();
    const raw = terminals.makeRaw(slave);
    const [ours, theirs] = [ownStream(master), sharedStream(slave)];
    await ours.write(encodeUtf8("in\r\x03\n"));
    assert.equal(decodeUtf8((await theirs.read()) ?? new Uint8Array()), "in\r\x03\n");
    await theirs.write(encodeUtf8("out\n"));
    assert.equal(decodeUtf8((await ours.read()) ?? new Uint8Array()), "out\n");
    raw.restore();
    raw.restore();
    theirs.close();
    assert.equal(await ours.read(), undefined);
    ours.close();
  });

  it("is restored to its earlier modes", () => {
    const { terminals } = engineOs();
    const { master, slave } = terminals.openPty();
    const before = tcgetattr(slave);
    const raw = terminals.makeRaw(slave);
    assert.ok(tcgetattr(slave).some((byte, i) => byte !== before[i]));
    raw.restore();
    assert.deepEqual([...tcgetattr(slave)], [...before]);
    closeQuietly(master);
    closeQuietly(slave);
  });

  it("has a window size, and other descriptors are no terminals", () => {
    const { terminals } = engineOs();
    const { master, slave } = terminals.openPty();
    terminals.setWindowSize(master, { rows: 33, columns: 444 });
    assert.deepEqual(terminals.windowSize(slave), { rows: 33, columns: 444 });
    assert.ok(terminals.isTerminal(slave) && terminals.isTerminal(master));
    const fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert.equal(terminals.isTerminal(fd), false);
    assert.throws(() => terminals.windowSize(fd), { errno: "ENOTTY" });
    for (const each of [master, slave, fd]) closeQuietly(each);
  });

  it("does not block the process when nobody reads it", async () => {
    const { terminals } = engineOs();
    const { master, slave } = terminals.openPty();
    const writer = sharedStream(slave);
    const writing = writer.write(new Uint8Array(100_000).fill(0x78));
    assert.equal(await pending(writing), true);
    const reader = ownStream(master);
    let length = 0;
    while (length < 100_000) length += (await reader.read())?.length ?? Number.POSITIVE_INFINITY;
    await writing;
    assert.equal(length, 100_000);
    writer.close();
    reader.close();
  });

  it("becomes the controlling terminal of a new session", async () => {
    const { terminals } = engineOs();
    const { master, slave } = terminals.openPty();
    startReaper();
    const pid = native.fork(0);
    if (pid === 0) childWithTerminal(slave);
    assert.deepEqual(await whenExited(pid), { kind: "exited", status: 0 });
    closeQuietly(master);
    closeQuietly(slave);
  });
});

/** /dev/tty can be opened only with a controlling terminal. */
function childWithTerminal(slave: number): never {
  try {
    native.setsid();
    engineOs().terminals.setControllingTerminal(slave);
    return exit(native.openat(-100, "/dev/tty", O_RDWR, 0) >= 0 ? 0 : 1);
  } catch {
    return exit(2);
  }
}

describe("descriptors", () => {
  it("are passed over a socket with their name", async () => {
    const os = engineOs();
    const socketPath = "/tmp/kumite-descriptor-test";
    const listener = await os.sockets.listen(socketPath, 0o600);
    const { master, slave } = os.terminals.openPty();
    await os.terminals.sendDescriptor(socketPath, slave, "the slave");
    await listener.close();
    closeQuietly(slave);
    closeQuietly(master);
  });

  it("arrive close-on-exec and refer to the same open file", () => {
    const [a, b] = socketpair(SOCK_STREAM | SOCK_CLOEXEC);
    const fds = pipe2(O_CLOEXEC);
    setStatusFlags(fds.read, O_NONBLOCK);
    assert.equal(native.sendmsg(a, [encodeUtf8("na"), encodeUtf8("me")], [fds.read, fds.write], 0, null), 4);
    const buffer = new Uint8Array(16);
    const message = recvmsg(b, buffer);
    assert.equal(decodeUtf8(buffer.subarray(0, message.length)), "name");
    assert.equal(message.truncated, false);
    const [read = -1, written = -1] = message.descriptors;
    write(written, encodeUtf8("x"));
    assert.ok((statusFlags(read) & O_NONBLOCK) !== 0);
    assert.equal(readFileText(`/proc/self/fdinfo/${read}`).includes("02004000"), true, "not close-on-exec");
    for (const fd of [a, b, fds.read, fds.write, read, written]) closeQuietly(fd);
  });
});
