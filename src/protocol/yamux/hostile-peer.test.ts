import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { readAll } from "../../util/bytes.ts";
import { initialWindowBytes } from "./frame.ts";
import { accepted, frame, rawPeer, take } from "./yamux.testing.ts";

describe("a hostile peer", () => {
  const attacks: [string, Uint8Array | Uint8Array[], RegExp][] = [
    ["another version", frame(0, 0, 1, 0).with(0, 1), /version 1/],
    ["an unknown type", frame(4, 0, 0, 0), /unknown type 4/],
    ["unknown flags", frame(0, 0x10, 1, 0), /unknown flags 0x10/],
    ["data for the session", frame(0, 0, 0, 10), /data for the session/],
    ["a window for the session", frame(1, 0, 0, 10), /window update for the session/],
    ["a ping on a stream", frame(2, 1, 1, 0), /ping for stream 1/],
    ["a farewell on a stream", frame(3, 0, 1, 0), /go-away frame for stream 1/],
    ["data on a stream never opened", frame(0, 0, 5, 10), /stream 5, which was never opened/],
    ["data on our own stream never opened", frame(0, 0, 2, 10), /stream 2, which was never opened/],
    ["an opening with our number", frame(1, 1, 2, 0), /whose number only this side may use/],
    ["a second opening", [frame(1, 1, 1, 0), frame(1, 1, 1, 0)], /second opening of stream 1/],
    ["more than the window", frame(0, 1, 1, initialWindowBytes + 1), /window allows 262144/],
    ["a window beyond 32 bits", [frame(1, 1, 1, 0), frame(1, 0, 1, 0xffff_ffff)], /beyond 32 bits/],
    ["data after the end", [frame(1, 5, 1, 0), frame(0, 0, 1, 1)], /data after its end/],
    ["half a header", new Uint8Array(5), /in the middle of a frame/],
    ["half a payload", frame(0, 1, 1, 10), /in the middle of a frame/],
  ];
  for (const [what, bytes, message] of attacks) {
    it(`ends the session with ${what}, and gets the reason`, async () => {
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

  it("gets no more streams than the limit, and each of them is counted", async () => {
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

  it("gets no more streams than may wait to be accepted, however many it may have open", async () => {
    const { raw, session } = rawPeer({ role: "server", maxStreams: 400 });
    const answers: number[] = [];
    for (let n = 0; n < 300; n++) {
      await raw.write(frame(1, 1, 2 * n + 1, 0));
      const [, , , flag = 0] = await take(raw, 12);
      answers.push(flag);
    }
    assert.deepEqual(
      [answers.filter((flag) => flag === 2).length, answers.filter((flag) => flag === 8).length],
      [256, 44],
    );
    await accepted(session);
    await raw.write(frame(1, 1, 601, 0));
    assert.equal((await take(raw, 12))[3], 2);
  });

  it("that sends a flood of frames that need answers and reads none ends the session", async () => {
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
