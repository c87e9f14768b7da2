import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ByteStream } from "../../sys/os.ts";
import { ByteReader } from "../../util/byte-reader.ts";
import { streamPair } from "../../util/stream-pair.ts";
import { decodeUtf8, encodeUtf8 } from "../../util/text.ts";
import { dialPort } from "./dial-port.ts";
import { PortAcceptor } from "./port-acceptor.ts";

describe("dialling a port", () => {
  it("gives a stream to the listener of the port", async () => {
    const acceptor = new PortAcceptor();
    const accepted = acceptor.next(1024);
    const ours = await dialPort(carrier(acceptor), 1024);
    const theirs = await accepted;
    await ours.write(encodeUtf8("hello"));
    assert.equal(decodeUtf8((await theirs.read()) ?? new Uint8Array()), "hello");
    await theirs.write(encodeUtf8("hi"));
    assert.equal(decodeUtf8((await ours.read()) ?? new Uint8Array()), "hi");
  });

  it("gives each stream to its own port, and a one-shot listener one stream", async () => {
    const acceptor = new PortAcceptor();
    const taken: string[] = [];
    const stop = acceptor.listen(1, () => taken.push("one"));
    void acceptor.next(2).then(() => taken.push("two"));
    await dialPort(carrier(acceptor), 2);
    await dialPort(carrier(acceptor), 1);
    await dialPort(carrier(acceptor), 1);
    assert.deepEqual(taken.sort(), ["one", "one", "two"]);
    await assert.rejects(dialPort(carrier(acceptor), 2), {
      code: "protocol/closed",
      message: "port 2 was refused: no listener on 2",
    });
    stop();
    await assert.rejects(dialPort(carrier(acceptor), 1), { code: "protocol/closed" });
    void acceptor.next(1);
  });

  it("loses nothing that was sent right behind the handshake", async () => {
    const acceptor = new PortAcceptor();
    const [ours, theirs] = streamPair();
    const accepted = acceptor.next(5);
    await ours.write(encodeUtf8("CONNECT 5\nfirst bytes"));
    await acceptor.accept(theirs);
    assert.equal(decodeUtf8((await (await accepted).read()) ?? new Uint8Array()), "first bytes");
    const answering = dialPort(() => vmm("OK 1073741824\nbanner"), 5);
    assert.equal(decodeUtf8((await (await answering).read()) ?? new Uint8Array()), "banner");
  });

  it("says what is wrong with an answer, and closes the stream", async () => {
    const cases: [string, object][] = [
      ["", { code: "protocol/closed", message: "port 7: the connection was closed without an answer" }],
      ["ERROR nobody\n", { code: "protocol/closed", message: "port 7 was refused: nobody" }],
      [
        "HTTP/1.1 400\u001b[2J\n",
        { code: "protocol/violation", message: 'port 7: the answer to CONNECT was "HTTP/1.1 400"' },
      ],
      ["x".repeat(1000), { code: "protocol/violation", message: "no end of line within 256 bytes" }],
    ];
    for (const [answer, error] of cases) {
      const stream = vmm(answer);
      await assert.rejects(
        dialPort(() => stream, 7),
        error,
      );
      await assert.rejects(stream.write(new Uint8Array(1)), { errno: "EPIPE" });
    }
  });

  it("ends at its time limit or the caller's abort, and closes the stream", async () => {
    const controller = new AbortController();
    for (const [options, code] of [
      [{ timeoutMs: 5 }, "timeout"],
      [{ signal: controller.signal }, "aborted"],
    ] as const) {
      const [ours, theirs] = streamPair();
      const dialling = dialPort(() => ours, 7, options);
      if (code === "aborted") setImmediate(() => controller.abort());
      await assert.rejects(dialling, { code });
      await new ByteReader(theirs).readLine(64);
      assert.equal(await theirs.read(), undefined);
    }
  });
});

describe("accepting streams for ports", () => {
  it("refuses lines of any other form with one line, and closes", async () => {
    for (const line of [
      "GET / HTTP/1.1\n",
      "CONNECT -1\n",
      "CONNECT 99999999999\n",
      "connect 1\n",
      "CONNECT 1 2\n",
      "\n",
    ]) {
      assert.equal(await answerTo(line), "ERROR bad request\n", JSON.stringify(line));
    }
    assert.equal(await answerTo("CONNECT 4294967295\n"), "ERROR no listener on 4294967295\n");
    assert.equal(await answerTo("CONNECT 4294967296\n"), "ERROR bad request\n");
  });

  it("reads no more than 64 bytes of a line that does not end", async () => {
    assert.equal(await answerTo("C".repeat(64)), "");
  });

  it("closes a stream whose handshake does not arrive in time", async () => {
    const [ours, theirs] = streamPair();
    await new PortAcceptor({ handshakeTimeoutMs: 5 }).accept(theirs);
    assert.equal(await ours.read(), undefined);
  });

  it("refuses a port that is in use or invalid", async () => {
    const acceptor = new PortAcceptor();
    acceptor.listen(9, () => {});
    assert.throws(() => acceptor.listen(9, () => {}), { code: "usage/invalid", message: "port 9 is in use" });
    await assert.rejects(acceptor.next(9), { code: "usage/invalid" });
    for (const port of [0, -1, 1.5, 2 ** 32])
      assert.throws(() => acceptor.listen(port, () => {}), { code: "usage/invalid" });
  });

  it("releases a port when the wait for it is aborted", async () => {
    const acceptor = new PortAcceptor();
    const controller = new AbortController();
    const waiting = acceptor.next(3, controller.signal);
    controller.abort();
    await assert.rejects(waiting, { code: "aborted" });
    acceptor.listen(3, () => {});
  });

  it("continues when a handler fails", async () => {
    const acceptor = new PortAcceptor();
    acceptor.listen(4, () => {
      throw new Error("no");
    });
    acceptor.listen(5, () => {});
    const failing = await dialPort(carrier(acceptor), 4);
    assert.equal(await failing.read(), undefined);
    await dialPort(carrier(acceptor), 5);
  });
});

/** Opens streams whose other end the acceptor serves. */
function carrier(acceptor: PortAcceptor): () => ByteStream {
  return () => {
    const [ours, theirs] = streamPair();
    void acceptor.accept(theirs);
    return ours;
  };
}

/** A stream whose other end sends this and ends. */
function vmm(answer: string): ByteStream {
  const [ours, theirs] = streamPair();
  void theirs.write(encodeUtf8(answer)).then(() => theirs.end());
  return ours;
}

async function answerTo(line: string): Promise<string> {
  const [ours, theirs] = streamPair();
  await ours.write(encodeUtf8(line));
  await new PortAcceptor().accept(theirs);
  let answer = "";
  for (let chunk = await ours.read(); chunk !== undefined; chunk = await ours.read()) answer += decodeUtf8(chunk);
  return answer;
}
