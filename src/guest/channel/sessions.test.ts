import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { dialPort } from "../../protocol/port/dial-port.ts";
import { replaceSession } from "../../protocol/yamux/replace-session.ts";
import { YamuxSession } from "../../protocol/yamux/session.ts";
import type { ByteStream } from "../../sys/os.ts";
import { isKumiteError } from "../../util/errors.ts";
import { streamPair } from "../../util/stream-pair.ts";
import { decodeUtf8, encodeUtf8 } from "../../util/text.ts";
import { Sessions } from "./sessions.ts";

/** The host's end of a session, and the promise that it is over. */
function session(sessions: Sessions) {
  const [host, guest] = streamPair();
  const over = sessions.run(guest);
  const yamux = new YamuxSession(host, { role: "client" });
  return {
    dial: (port: number): Promise<ByteStream> => dialPort(() => yamux.open(), port, { timeoutMs: 60_000 }),
    end: async () => {
      yamux.close();
      await over;
    },
  };
}

const forever = new AbortController().signal;
const say = (stream: ByteStream, text: string): Promise<void> => stream.write(encodeUtf8(text));
const hear = async (stream: ByteStream): Promise<string> => decodeUtf8((await stream.read()) ?? new Uint8Array(0));

/**
 * A carrier of several sessions, one after the other, like a virtio port. After `gone`, its previous user cannot use it
 * any more.
 */
function lasting(carrier: ByteStream, gone?: AbortSignal): ByteStream {
  return {
    read: () => carrier.read(gone),
    write: async (bytes) => {
      if (gone?.aborted !== true) await carrier.write(bytes);
    },
    end: async () => {},
    close: () => {},
  };
}

describe("sessions with the host", () => {
  it("are taken over by a host that finds one in progress, whatever of the old one is in transit", async () => {
    const token = new Uint8Array(32).fill(7);
    const [host, guest] = streamPair();
    const sessions = new Sessions();
    const source = sessions.listen(70_000);
    sessions.expectReplacement(token);
    const over = sessions.run(lasting(guest));
    const machine = new AbortController();
    const old = new YamuxSession(lasting(host, machine.signal), { role: "client" });
    await dialPort(() => old.open(), 70_000, { timeoutMs: 60_000 });
    const { stream, session: life } = await source.next(forever);
    // From here on the old host's end is silent, as in a copy of a VM.
    await old.quiesce();
    machine.abort();
    await say(stream, "nobody reads this");
    const replaced = replaceSession(lasting(host), token, forever);
    await over;
    assert.equal(life.aborted, true);
    const again = source.next(forever);
    const next = sessions.run(lasting(guest));
    const mine = new YamuxSession(await replaced, { role: "client" });
    await say(await dialPort(() => mine.open(), 70_000, { timeoutMs: 60_000 }), "here I am");
    assert.equal(await hear((await again).stream), "here I am");
    host.close();
    await next;
  });

  it("have the same listeners, one session after the other", async () => {
    const sessions = new Sessions();
    sessions.serve(1024, (stream) => void say(stream, "served"));
    for (let round = 0; round < 2; round++) {
      const { dial, end } = session(sessions);
      assert.equal(await hear(await dial(1024)), "served");
      await end();
    }
  });

  it("give a port to one stream, and to the next only on request", async () => {
    const sessions = new Sessions();
    const { dial, end } = session(sessions);
    const source = sessions.listen(70_000);
    const first = await dial(70_000);
    const taken = await source.next(forever);
    await say(taken.stream, "first");
    assert.equal(await hear(first), "first");
    await assert.rejects(dial(70_000), (error) => isKumiteError(error, "protocol/closed"));
    const again = source.next(forever);
    await dial(70_000);
    await again;
    await end();
  });

  it("distinguish a stream that broke from a session that was lost", async () => {
    const sessions = new Sessions();
    const one = session(sessions);
    const source = sessions.listen(70_000);
    const dialled = await one.dial(70_000);
    const { stream, sessionLost } = await source.next(forever);
    dialled.close();
    while ((await stream.read().catch(() => undefined)) !== undefined);
    assert.equal(await sessionLost(), false);

    const waiting = source.next(forever);
    await one.dial(70_000);
    const second = await waiting;
    await one.end();
    await assert.rejects(second.stream.write(new Uint8Array(1)));
    assert.equal(await second.sessionLost(), true);

    const two = session(sessions);
    const third = source.next(forever);
    await say(await two.dial(70_000), "back again");
    assert.equal(await hear((await third).stream), "back again");
    await two.end();
  });

  it("assign each port once, and release it", async () => {
    const sessions = new Sessions();
    const source = sessions.listen(70_000);
    assert.throws(
      () => sessions.listen(70_000),
      (error) => isKumiteError(error, "usage/invalid"),
    );
    source.close();
    source.close();
    sessions.listen(70_000).close();
  });

  it("close a stream that arrives for a port that is no longer wanted", async () => {
    const sessions = new Sessions();
    const { dial, end } = session(sessions);
    const source = sessions.listen(70_000);
    const stream = await dial(70_000);
    source.close();
    assert.equal(await stream.read().catch(() => undefined), undefined);
    await end();
  });
});
