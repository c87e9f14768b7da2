import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readAll } from "../../util/bytes.ts";
import { streamPair } from "../../util/stream-pair.ts";
import { decodeUtf8, encodeUtf8 } from "../../util/text.ts";
import { initialWindowBytes } from "./frame.ts";
import { YamuxSession } from "./session.ts";
import { accepted, connect, frame, rawPeer, settle, take, text } from "./yamux.testing.ts";

describe("the end of a session", () => {
  it("ends every stream, and tells both sides why", async () => {
    const { client, server } = connect({});
    const ours = client.open();
    const theirs = await accepted(server);
    const reading = theirs.read();
    const accepting = server.accept();
    client.close();
    await assert.rejects(reading, { errno: "ECONNRESET" });
    await assert.rejects(ours.read(), { errno: "ECONNRESET" });
    assert.equal(await accepting, undefined);
    assert.equal((await client.closed).message, "the session was closed");
    assert.equal((await server.closed).code, "protocol/closed");
    assert.throws(() => client.open(), { code: "protocol/closed" });
    await assert.rejects(client.ping(), { code: "protocol/closed" });
  });

  it("comes with the end of the carrier; what arrived before can still be read", async () => {
    const [carrier, far] = streamPair();
    const session = new YamuxSession(carrier, { role: "server" });
    const client = new YamuxSession(far, { role: "client" });
    const ours = client.open();
    const theirs = await accepted(session);
    await ours.write(encodeUtf8("bye"));
    await settle();
    far.close();
    await session.closed;
    assert.equal(await text(theirs), "bye");
    await assert.rejects(theirs.read(), { errno: "ECONNRESET" });
  });

  it("does not end existing streams when the peer only opens no more", async () => {
    const { raw, session } = rawPeer({ role: "client" });
    const ours = session.open();
    await raw.write(frame(3, 0, 0, 0));
    await raw.write(frame(0, 2, 1, 2, [0x68, 0x69]));
    assert.equal(await text(ours), "hi");
    assert.throws(() => session.open(), { message: "no stream can be opened: the peer accepts no more" });
  });

  it("is not caused by too many streams: they are refused, and open ones continue", async () => {
    const { client, server } = connect({}, { client: { maxStreams: 2 } });
    const [first] = [client.open(), client.open()];
    assert.throws(() => client.open(), { message: "no stream can be opened: 2 are already open" });
    const theirs = await accepted(server);
    await first?.write(encodeUtf8("on"));
    await first?.end();
    assert.equal(await text(theirs), "on");
  });

  it("comes when a ping is not answered in time", async () => {
    const { session } = rawPeer({ role: "client", keepAliveMs: 5 });
    assert.match((await session.closed).message, /the answer to a ping took longer than 5 ms/);
  });

  it("does not come while pings are answered", async () => {
    const { client, server } = connect({}, { client: { keepAliveMs: 1 } });
    for (let round = 0; round < 5; round += 1) await client.ping();
    await server.ping();
    client.open();
    await accepted(server);
    client.close();
  });
});

describe("a quiet session", () => {
  it("has had everything read that it sent before, and sends nothing until it is released", async () => {
    const { client, server } = connect({});
    const ours = client.open();
    const theirs = await accepted(server);
    const release = await client.quiesce();
    let written = false;
    const writing = ours.write(encodeUtf8("later")).then(() => {
      written = true;
    });
    await theirs.write(encodeUtf8("still heard"));
    assert.equal(await text(ours), "still heard");
    assert.equal(written, false);
    release();
    await writing;
    assert.equal(await text(theirs), "later");
  });

  it("can be closed", async () => {
    const { client, server } = connect({});
    await client.quiesce();
    client.close();
    assert.match((await server.closed).message, /the peer closed the connection/);
  });
});

describe("the bytes on the carrier", () => {
  it("follow the specification, for a stream's whole life", async () => {
    const { raw, session } = rawPeer({ role: "client", receiveWindowBytes: initialWindowBytes + 16 });
    const stream = session.open();
    await stream.write(encodeUtf8("hi"));
    assert.deepEqual(await take(raw, 12), [0, 1, 0, 1, 0, 0, 0, 1, 0, 0, 0, 16]);
    assert.deepEqual(await take(raw, 14), [0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0x68, 0x69]);
    await stream.end();
    assert.deepEqual(await take(raw, 12), [0, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0]);
    await raw.write(frame(1, 2, 1, 0));
    await raw.write(frame(0, 4, 1, 1, [0x21]));
    assert.equal(decodeUtf8(await readAll(stream, 10)), "!");
    session.open();
    assert.deepEqual(await take(raw, 12), [0, 1, 0, 1, 0, 0, 0, 3, 0, 0, 0, 16]);
    session.close();
    assert.deepEqual(await take(raw, 12), [0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
  });

  it("acknowledge streams, return windows when half is used, and echo pings", async () => {
    const { raw, session } = rawPeer({ role: "server" });
    await raw.write(frame(0, 1, 1, 2, [1, 2]));
    const stream = await accepted(session);
    assert.deepEqual(await take(raw, 12), [0, 1, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0]);
    assert.deepEqual([...((await stream.read()) ?? [])], [1, 2]);
    const half = initialWindowBytes / 2;
    await raw.write(frame(0, 0, 1, half - 2, new Array(half - 2).fill(0)));
    for (let got = 0; got < half - 2; ) got += (await stream.read())?.length ?? 0;
    assert.deepEqual(await take(raw, 12), [0, 1, 0, 0, 0, 0, 0, 1, 0, 2, 0, 0]);
    await raw.write(frame(2, 1, 0, 0xdeadbeef));
    assert.deepEqual(await take(raw, 12), [0, 2, 0, 2, 0, 0, 0, 0, 0xde, 0xad, 0xbe, 0xef]);
  });

  it("refuse a stream with a reset if none are accepted", async () => {
    const { raw, session } = rawPeer({ role: "client" });
    await raw.write(frame(0, 1, 2, 3, [1, 2, 3]));
    assert.deepEqual(await take(raw, 12), [0, 1, 0, 8, 0, 0, 0, 2, 0, 0, 0, 0]);
    await raw.write(frame(1, 0, 2, 1));
    await raw.write(frame(2, 1, 0, 1));
    assert.deepEqual(await take(raw, 12), [0, 2, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1]);
    session.close();
  });

  it("fail a stream that the peer resets", async () => {
    const { raw, session } = rawPeer({ role: "client" });
    const stream = session.open();
    const reading = stream.read();
    await raw.write(frame(1, 8, 1, 0));
    await assert.rejects(reading, { errno: "ECONNRESET" });
    await assert.rejects(stream.write(new Uint8Array(1)), { errno: "ECONNRESET" });
  });
});
