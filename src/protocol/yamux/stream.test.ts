import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { readAll } from "../../util/bytes.ts";
import { deferred } from "../../util/deferred.ts";
import { decodeUtf8, encodeUtf8 } from "../../util/text.ts";
import { initialWindowBytes } from "./frame.ts";
import { accepted, connect, frame, pipedStream, rawPeer, settle, stream, take, text } from "./yamux.testing.ts";

describe("streams over one carrier", () => {
  it("carry bytes both ways, opened by either side", async () => {
    const { client, server } = connect({}, { client: { acceptStreams: true } });
    for (const [opener, accepter] of [
      [client, server],
      [server, client],
    ] as const) {
      const ours = opener.open();
      const theirs = await accepted(accepter);
      await ours.write(encodeUtf8("ping"));
      assert.equal(await text(theirs), "ping");
      await theirs.write(encodeUtf8("pong"));
      assert.equal(await text(ours), "pong");
    }
  });

  it("deliver everything in order, for any lengths, cuts and interleavings", async () => {
    const plan = fc.array(fc.array(fc.integer({ min: 0, max: 200_000 }), { maxLength: 4 }), {
      minLength: 1,
      maxLength: 5,
    });
    const cuts = fc.infiniteStream(fc.integer({ min: 1, max: 70_000 }));
    await fc.assert(
      fc.asyncProperty(plan, cuts, fc.scheduler(), async (streams, reads, scheduler) => {
        const { client, server } = connect({ nextReadLength: () => reads.next().value as number });
        const transfers = streams.map(async (lengths, index) => {
          const ours = client.open();
          const theirs = await accepted(server);
          const sending = (async () => {
            for (const length of lengths) {
              await scheduler.schedule(Promise.resolve());
              await ours.write(new Uint8Array(length).fill(index + length));
            }
            await ours.end();
          })();
          const received: Uint8Array[] = [];
          for (let chunk = await theirs.read(); chunk !== undefined; chunk = await theirs.read()) {
            received.push(chunk);
            await scheduler.schedule(Promise.resolve());
          }
          await sending;
          return received;
        });
        await scheduler.waitFor(Promise.all(transfers));
        for (const [index, received] of (await Promise.all(transfers)).entries()) {
          const sent = streams[index]?.map((length) => new Uint8Array(length).fill(index + length)) ?? [];
          assert.equal(Buffer.compare(Buffer.concat(received), Buffer.concat(sent)), 0);
        }
        client.close();
      }),
      { numRuns: 25 },
    );
  });

  it("wait for a slow reader without delaying another stream", async () => {
    const { client, server } = connect({});
    const slow = client.open();
    const slowPeer = await accepted(server);
    let written = false;
    const writing = slow.write(new Uint8Array(initialWindowBytes + 1)).then(() => {
      written = true;
    });
    const fast = client.open();
    const fastPeer = await accepted(server);
    const megabytes = fast.write(new Uint8Array(4 << 20)).then(() => fast.end());
    assert.equal((await readAll(fastPeer, 8 << 20)).length, 4 << 20);
    await megabytes;
    assert.equal(written, false);
    let got = 0;
    while (got < initialWindowBytes + 1) got += (await slowPeer.read())?.length ?? 0;
    await writing;
  });

  it("carry more at a time if the reading side has a larger window, as far as its budget allows", async () => {
    const receiveWindowBytes = 1 << 20;
    const extraWindowBudgetBytes = receiveWindowBytes - initialWindowBytes;
    const { client, server } = connect({}, { server: { receiveWindowBytes, extraWindowBudgetBytes } });
    const first = client.open();
    const second = client.open();
    const firstPeer = await accepted(server);
    await accepted(server);
    await first.write(new Uint8Array(receiveWindowBytes));
    await second.write(new Uint8Array(initialWindowBytes));
    let more = false;
    second.write(new Uint8Array(1)).then(
      () => {
        more = true;
      },
      () => {},
    );
    await settle();
    assert.equal(more, false);

    // Closing the stream releases its budget.
    firstPeer.close();
    const third = client.open();
    await accepted(server);
    await third.write(new Uint8Array(receiveWindowBytes));
    client.close();
  });

  it("are not affected by each other's end", async () => {
    const { client, server } = connect({});
    const one = client.open();
    const onePeer = await accepted(server);
    const two = client.open();
    const twoPeer = await accepted(server);
    one.close();
    assert.equal(await onePeer.read(), undefined);
    await two.write(encodeUtf8("still here"));
    assert.equal(await text(twoPeer), "still here");
  });

  it("use up nothing when thousands come and go", async () => {
    const { client, server } = connect({}, { client: { maxStreams: 4 }, server: { maxStreams: 4 } });
    for (let round = 0; round < 2000; round += 1) {
      const ours = client.open();
      const theirs = await accepted(server);
      await ours.write(encodeUtf8("x"));
      if (round % 3 === 0) ours.close();
      else await ours.end();
      assert.equal((await readAll(theirs, 10)).length, 1);
      if (round % 2 === 0) theirs.close();
      else await theirs.end();
      if (round % 3 !== 0) assert.equal(await ours.read(), undefined);
      // The peer's end may still be in transit; the stream is released only when it has arrived.
      await settle(3);
    }
  });
});

describe("the end of a stream", () => {
  it("closes one direction and leaves the other open", async () => {
    const { ours, theirs } = await stream();
    await ours.end();
    await assert.rejects(ours.write(new Uint8Array(1)), { errno: "EPIPE" });
    assert.equal(await theirs.read(), undefined);
    await theirs.write(encodeUtf8("late"));
    assert.equal(await text(ours), "late");
    await theirs.end();
    assert.equal(await ours.read(), undefined);
  });

  it("comes after everything written before it", async () => {
    const { ours, theirs } = await stream();
    const written = ours.write(new Uint8Array(3 * initialWindowBytes));
    const ended = ours.end();
    assert.equal((await readAll(theirs, 1 << 20)).length, 3 * initialWindowBytes);
    await Promise.all([written, ended]);
  });

  it("by close delivers what was written", async () => {
    const { ours, theirs } = await stream();
    await ours.write(encodeUtf8("last words"));
    ours.close();
    assert.equal(decodeUtf8(await readAll(theirs, 100)), "last words");
  });

  it("by close with unsent bytes is a reset, which the peer sees after what arrived", async () => {
    const { ours, theirs } = await stream();
    const stuck = ours.write(new Uint8Array(2 * initialWindowBytes));
    await settle();
    ours.close();
    await assert.rejects(stuck, { errno: "EPIPE" });
    let got = 0;
    await assert.rejects(
      async () => {
        for (let chunk = await theirs.read(); chunk !== undefined; chunk = await theirs.read()) got += chunk.length;
      },
      { errno: "ECONNRESET" },
    );
    assert.equal(got, initialWindowBytes);
    await assert.rejects(theirs.write(new Uint8Array(1)), { errno: "ECONNRESET" });
  });

  it("by close fails what the peer writes, even if that waits for a window", async () => {
    const { ours, theirs } = await stream();
    const stuck = theirs.write(new Uint8Array(2 * initialWindowBytes));
    await settle();
    ours.close();
    assert.equal(await ours.read(), undefined);
    await assert.rejects(stuck, { errno: "ECONNRESET" });
    await assert.rejects(theirs.write(new Uint8Array(1)), { errno: "ECONNRESET" });
    assert.equal(await theirs.read(), undefined);
  });

  it("that the peer has not seen yet has its data answered with a reset", async () => {
    const { raw, session } = rawPeer({ role: "client" });
    const ours = session.open();
    assert.equal((await take(raw, 12))[3], 1);
    const reading = ours.read();
    ours.close();
    assert.equal(await reading, undefined);
    assert.deepEqual(await take(raw, 12), [0, 1, 0, 12, 0, 0, 0, 1, 0, 0, 0, 0]);
    await raw.write(frame(0, 2, 1, 3, [1, 2, 3]));
    assert.deepEqual(await take(raw, 12), [0, 1, 0, 8, 0, 0, 0, 1, 0, 0, 0, 0]);
    session.close();
  });

  it("reaches the peer if close follows immediately", async () => {
    const { ours, theirs } = await stream();
    void ours.end();
    ours.close();
    assert.equal(await theirs.read(), undefined);
  });

  it("may be repeated, in any order", async () => {
    const { ours, theirs } = await stream();
    await ours.end();
    await ours.end();
    ours.close();
    ours.close();
    await ours.end();
    assert.equal(await theirs.read(), undefined);
  });
});

describe("piped bytes", () => {
  it("are one frame each, within the window, and in order with other writes", async () => {
    const { ours, theirs, piped } = await pipedStream();
    assert.equal(await piped.room(), initialWindowBytes);
    await ours.write(encodeUtf8("before "));
    const writing = piped.write({ fd: 5, length: 100_000 }, encodeUtf8("head "));
    const after = ours.write(encodeUtf8(" after"));
    const whole = Buffer.alloc(100_000 + "before head  after".length);
    for (let got = 0; got < whole.length; ) {
      const chunk = (await theirs.read()) ?? new Uint8Array(0);
      whole.set(chunk, got);
      got += chunk.length;
    }
    await Promise.all([writing, after]);
    assert.equal(whole.toString(), `before head ${"\u0005".repeat(100_000)} after`);
    await assert.rejects(piped.write({ fd: 5, length: initialWindowBytes + 1 }), { code: "internal" });
  });

  it("find no room until the peer has read, and none if it will not any more", async () => {
    const { ours, theirs, piped } = await pipedStream();
    await piped.write({ fd: 5, length: initialWindowBytes });
    const room = piped.room();
    for (let got = 0; got < initialWindowBytes; ) got += (await theirs.read())?.length ?? 0;
    assert.ok((await room) >= initialWindowBytes / 2);
    await piped.write({ fd: 5, length: await piped.room() });
    const none = Promise.all([assert.rejects(piped.room(), { errno: "ECONNRESET" }), ours.write(new Uint8Array(1))]);
    theirs.close();
    await assert.rejects(none, { errno: "ECONNRESET" });
    await assert.rejects(piped.write({ fd: 5, length: 1 }), { errno: "ECONNRESET" });
  });

  it("of a stream that fails are waited for as long as the carrier uses the pipe", async () => {
    const moved = deferred();
    const { theirs, piped } = await pipedStream(() => moved.promise);
    let settled = false;
    const writing = piped.write({ fd: 5, length: 10 }).finally(() => {
      settled = true;
    });
    await settle();
    theirs.close();
    await settle();
    assert.equal(settled, false);
    moved.resolve();
    await assert.rejects(writing, { errno: "ECONNRESET" });
  });

  it("are not supported if the carrier cannot carry them", async () => {
    assert.equal((await stream()).ours.piped, undefined);
  });
});

describe("an aborted read", () => {
  it("loses no bytes", async () => {
    const { ours, theirs } = await stream();
    const controller = new AbortController();
    const reading = theirs.read(controller.signal);
    controller.abort();
    await assert.rejects(reading, { code: "aborted" });
    await ours.write(encodeUtf8("kept"));
    assert.equal(await text(theirs), "kept");
  });
});
