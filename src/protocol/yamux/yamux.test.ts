import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { ByteStream, PipedWriting } from "../../sys/os.ts";
import { readAll } from "../../util/bytes.ts";
import { deferred } from "../../util/deferred.ts";
import { type StreamPairOptions, streamPair } from "../../util/stream-pair.ts";
import { decodeUtf8, encodeUtf8 } from "../../util/text.ts";
import { initialWindowBytes } from "./frame.ts";
import type { YamuxOptions } from "./session.ts";
import { YamuxSession } from "./session.ts";

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

  it("wait for a slow reader without holding up another stream", async () => {
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

  it("take more at a time when the reading side has a larger window, as far as its budget goes", async () => {
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

    // The budget comes back with the stream.
    firstPeer.close();
    const third = client.open();
    await accepted(server);
    await third.write(new Uint8Array(receiveWindowBytes));
    client.close();
  });

  it("are independent of each other's end", async () => {
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

  it("do not exhaust anything when thousands come and go", async () => {
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
      // The end of the peer may still be on its way; only then is the place free.
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

  it("by close fails what the peer writes, also when that waits for a window", async () => {
    const { ours, theirs } = await stream();
    const stuck = theirs.write(new Uint8Array(2 * initialWindowBytes));
    await settle();
    ours.close();
    assert.equal(await ours.read(), undefined);
    await assert.rejects(stuck, { errno: "ECONNRESET" });
    await assert.rejects(theirs.write(new Uint8Array(1)), { errno: "ECONNRESET" });
    assert.equal(await theirs.read(), undefined);
  });

  it("that the peer did not see yet has its data answered with a reset", async () => {
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

  it("reaches the peer when close comes right behind it", async () => {
    const { ours, theirs } = await stream();
    void ours.end();
    ours.close();
    assert.equal(await theirs.read(), undefined);
  });

  it("is harmless when it comes twice, in any order", async () => {
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
  it("are one frame each, within the window, and in line with other writes", async () => {
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

  it("find no room until the peer has read, and none when it will not any more", async () => {
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

  it("are not offered where the carrier cannot take them", async () => {
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

  it("comes with the end of the carrier, and what arrived before can still be read", async () => {
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

  it("leaves existing streams when the peer only opens no more", async () => {
    const { raw, session } = rawPeer({ role: "client" });
    const ours = session.open();
    await raw.write(frame(3, 0, 0, 0));
    await raw.write(frame(0, 2, 1, 2, [0x68, 0x69]));
    assert.equal(await text(ours), "hi");
    assert.throws(() => session.open(), { message: "no stream can be opened: the peer takes no more" });
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
  it("has had everything read that it sent before, and sends nothing until it is let go on", async () => {
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

  it("can end", async () => {
    const { client, server } = connect({});
    await client.quiesce();
    client.close();
    assert.match((await server.closed).message, /the peer closed the connection/);
  });
});

describe("what goes over the carrier", () => {
  it("is what the specification says, for a stream's whole life", async () => {
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

  it("acknowledges streams, gives windows back when half is used, and echoes pings", async () => {
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

  it("refuses a stream with a reset when none are taken", async () => {
    const { raw, session } = rawPeer({ role: "client" });
    await raw.write(frame(0, 1, 2, 3, [1, 2, 3]));
    assert.deepEqual(await take(raw, 12), [0, 1, 0, 8, 0, 0, 0, 2, 0, 0, 0, 0]);
    await raw.write(frame(1, 0, 2, 1));
    await raw.write(frame(2, 1, 0, 1));
    assert.deepEqual(await take(raw, 12), [0, 2, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1]);
    session.close();
  });

  it("fails a stream that the peer resets", async () => {
    const { raw, session } = rawPeer({ role: "client" });
    const stream = session.open();
    const reading = stream.read();
    await raw.write(frame(1, 8, 1, 0));
    await assert.rejects(reading, { errno: "ECONNRESET" });
    await assert.rejects(stream.write(new Uint8Array(1)), { errno: "ECONNRESET" });
  });
});

describe("a hostile peer", () => {
  const attacks: [string, Uint8Array | Uint8Array[], RegExp][] = [
    ["another version", frame(0, 0, 1, 0).with(0, 1), /version 1/],
    ["an unknown type", frame(4, 0, 0, 0), /unknown type 4/],
    ["unknown flags", frame(0, 0x10, 1, 0), /unknown flags 0x10/],
    ["data for the session", frame(0, 0, 0, 10), /data for the session/],
    ["a window for the session", frame(1, 0, 0, 10), /window update for the session/],
    ["a ping on a stream", frame(2, 1, 1, 0), /ping for stream 1/],
    ["a farewell on a stream", frame(3, 0, 1, 0), /farewell for stream 1/],
    ["data on a stream never opened", frame(0, 0, 5, 10), /stream 5, which was never opened/],
    ["data on our own stream never opened", frame(0, 0, 2, 10), /stream 2, which was never opened/],
    ["an opening with our number", frame(1, 1, 2, 0), /whose number is ours/],
    ["a second opening", [frame(1, 1, 1, 0), frame(1, 1, 1, 0)], /second opening of stream 1/],
    ["more than the window", frame(0, 1, 1, initialWindowBytes + 1), /window allows 262144/],
    ["a window beyond 32 bits", [frame(1, 1, 1, 0), frame(1, 0, 1, 0xffff_ffff)], /beyond 32 bits/],
    ["data after the end", [frame(1, 5, 1, 0), frame(0, 0, 1, 1)], /data after its end/],
    ["half a header", new Uint8Array(5), /in the middle of a frame/],
    ["half a payload", frame(0, 1, 1, 10), /in the middle of a frame/],
  ];
  for (const [what, bytes, message] of attacks) {
    it(`ends the session with ${what}, and is told why`, async () => {
      const { raw, session } = rawPeer({ role: "server" });
      for (const part of [bytes].flat()) await raw.write(part);
      await raw.end();
      const reason = await session.closed;
      assert.equal(reason.code, "protocol/violation");
      assert.match(reason.message, message);
      const answers = await readAll(raw, 1000);
      assert.deepEqual([...answers.subarray(-12)], [0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    });
  }

  it("that writes beyond the window in small frames is stopped at the window", async () => {
    const { raw, session } = rawPeer({ role: "server" });
    await raw.write(frame(1, 1, 1, 0));
    const one = frame(0, 0, 1, 1, [0]);
    const burst = new Uint8Array(one.length * 1000);
    for (let at = 0; at < burst.length; at += one.length) burst.set(one, at);
    for (let sent = 0; sent <= initialWindowBytes + 1000; sent += 1000) {
      if (
        !(await raw.write(burst).then(
          () => true,
          () => false,
        ))
      )
        break;
    }
    assert.match((await session.closed).message, /window allows 0/);
  });

  it("gets no more streams than the limit, and none of them is forgotten", async () => {
    const { raw, session } = rawPeer({ role: "server", maxStreams: 3 });
    for (let id = 1; id <= 9; id += 2) await raw.write(frame(1, 1, id, 0));
    for (const id of [1, 3, 5]) assert.deepEqual(await take(raw, 12), [0, 1, 0, 2, 0, 0, 0, id, 0, 0, 0, 0]);
    for (const id of [7, 9]) assert.deepEqual(await take(raw, 12), [0, 1, 0, 8, 0, 0, 0, id, 0, 0, 0, 0]);
    const streams = [await accepted(session), await accepted(session), await accepted(session)];
    streams[0]?.close();
    await take(raw, 12);
    await raw.write(frame(1, 1, 11, 0));
    assert.deepEqual(await take(raw, 12), [0, 1, 0, 2, 0, 0, 0, 11, 0, 0, 0, 0]);
  });

  it("that floods us with what needs an answer and reads none ends the session", async () => {
    for (const flood of [(id: number) => frame(2, 1, 0, id), (id: number) => frame(1, 1, 2 * id + 1, 0)]) {
      const { raw, session } = rawPeer({ role: "server", maxStreams: 1 }, { capacity: 100 });
      let over = false;
      void session.closed.then(() => {
        over = true;
      });
      for (let id = 0; !over && id < 3000; id += 1) await raw.write(flood(id)).catch(() => {});
      assert.match((await session.closed).message, /reads none of the answers/);
    }
  });

  it("cannot do harm with any bytes", async () => {
    const header = fc
      .record({ type: fc.nat(4), flags: fc.nat(17), id: fc.nat(8), length: fc.nat(20) })
      .map(({ type, flags, id, length }) =>
        frame(type, flags, id, length, type === 0 ? new Array(length).fill(1) : []),
      );
    const bytes = fc.array(fc.oneof({ weight: 5, arbitrary: header }, fc.uint8Array({ maxLength: 30 })), {
      maxLength: 30,
    });
    await fc.assert(
      fc.asyncProperty(bytes, fc.constantFrom("client" as const, "server" as const), async (chunks, role) => {
        const { raw, session } = rawPeer({ role, acceptStreams: true, maxStreams: 5 });
        const own = session.open();
        void own.write(new Uint8Array(10)).catch(() => {});
        void (async () => {
          for (let next = await session.accept(); next !== undefined; next = await session.accept()) {
            const stream = next;
            void readAll(stream, 1000)
              .then(() => stream.end())
              .catch(() => {});
          }
        })();
        for (const chunk of chunks) await raw.write(chunk).catch(() => {});
        raw.close();
        assert.match((await session.closed).code, /^protocol\/(closed|violation)$/);
        await own.read().catch(() => {});
      }),
      { numRuns: 200 },
    );
  });
});

function connect(
  streams: StreamPairOptions,
  options: { client?: Partial<YamuxOptions>; server?: Partial<YamuxOptions> } = {},
) {
  const [left, right] = streamPair(streams);
  const client = new YamuxSession(left, { role: "client", ...options.client });
  const server = new YamuxSession(right, { role: "server", ...options.server });
  return { client, server };
}

async function stream(): Promise<{ ours: ByteStream; theirs: ByteStream }> {
  const { client, server } = connect({});
  const ours = client.open();
  return { ours, theirs: await accepted(server) };
}

/** Over a carrier that takes piped bytes: a pipe holds the number of its descriptor, again and again. */
async function pipedStream(moving: () => Promise<void> = async () => {}) {
  const [left, right] = streamPair();
  const piped: PipedWriting = {
    room: async () => Number.POSITIVE_INFINITY,
    write: async ({ fd, length }, head = new Uint8Array(0)) => {
      await moving();
      await left.writeAll?.([head, new Uint8Array(length).fill(fd)]);
    },
  };
  const carrier: ByteStream = {
    read: (signal) => left.read(signal),
    write: (bytes) => left.write(bytes),
    end: () => left.end(),
    close: () => left.close(),
    piped,
  };
  const server = new YamuxSession(right, { role: "server" });
  const ours = new YamuxSession(carrier, { role: "client" }).open();
  const theirs = await accepted(server);
  assert.ok(ours.piped !== undefined);
  return { ours, theirs, piped: ours.piped };
}

/** A session whose peer speaks bytes. */
function rawPeer(options: YamuxOptions, streams: StreamPairOptions = {}) {
  const [left, raw] = streamPair(streams);
  return { session: new YamuxSession(left, options), raw };
}

function frame(type: number, flags: number, streamId: number, length: number, payload: number[] = []): Uint8Array {
  const bytes = new Uint8Array(12 + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint8(1, type);
  view.setUint16(2, flags);
  view.setUint32(4, streamId);
  view.setUint32(8, length);
  bytes.set(payload, 12);
  return bytes;
}

const leftOvers = new WeakMap<ByteStream, Uint8Array>();

async function take(raw: ByteStream, length: number): Promise<number[]> {
  let bytes = leftOvers.get(raw) ?? new Uint8Array(0);
  while (bytes.length < length) {
    const more = await raw.read();
    assert.ok(more !== undefined, "the session closed its carrier");
    bytes = new Uint8Array([...bytes, ...more]);
  }
  leftOvers.set(raw, bytes.subarray(length));
  return [...bytes.subarray(0, length)];
}

async function accepted(session: YamuxSession): Promise<ByteStream> {
  const next = await session.accept();
  assert.ok(next !== undefined, "the session is over");
  return next;
}

async function text(from: ByteStream): Promise<string> {
  return decodeUtf8((await from.read()) ?? new Uint8Array(0));
}

/** Lets everything run that can without further input. */
async function settle(turns = 20): Promise<void> {
  for (let turn = 0; turn < turns; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
