import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readAll } from "../../util/bytes.ts";
import { decodeUtf8, encodeUtf8 } from "../../util/text.ts";
import { initialWindowBytes } from "./frame.ts";
import { YamuxSession } from "./session.ts";
import { isSessionState, sessionGreeting } from "./session-state.ts";
import { accepted, carrierThatChangesHands, text } from "./yamux.testing.ts";

const receiveWindowBytes = initialWindowBytes + 1024;

describe("a session that another one goes on with", () => {
  it("keeps its streams, their windows and their numbers", async () => {
    const { take, far } = carrierThatChangesHands();
    const server = new YamuxSession(far, { role: "server" });
    const before = new YamuxSession(take(), { role: "client", receiveWindowBytes });
    const first = before.open();
    await first.write(encodeUtf8("before"));
    const theirs = await accepted(server);
    assert.equal(await text(theirs), "before");
    await theirs.write(encodeUtf8("heard"));
    assert.equal(await text(first), "heard");
    const state: unknown = JSON.parse(JSON.stringify(await before.suspend()));
    assert.ok(isSessionState(state));
    assert.deepEqual(state, {
      nextId: 3,
      lastPeerId: 0,
      streams: [
        {
          id: 1,
          sendWindow: initialWindowBytes - "before".length,
          receiveWindow: receiveWindowBytes - "heard".length,
          consumed: "heard".length,
          extraWindow: 1024,
        },
      ],
    });

    const carrierNow = take();
    await carrierNow.write(encodeUtf8(sessionGreeting()));
    const after = new YamuxSession(carrierNow, { role: "client", receiveWindowBytes, resumes: state });
    await after.greeted();
    const again = after.resumed(1);
    // More than a window each way: if one side counted differently, the data would stop or be refused.
    const much = new Uint8Array(3 * receiveWindowBytes).fill(0x61);
    const back = Promise.all([readAll(again, much.length), theirs.write(much).then(() => theirs.end())]);
    assert.equal((await back)[0].length, much.length);
    const forth = Promise.all([readAll(theirs, much.length), again.write(much).then(() => again.end())]);
    assert.equal((await forth)[0].length, much.length);
    const second = after.open();
    await second.write(encodeUtf8("second"));
    assert.equal(decodeUtf8((await (await accepted(server)).read()) ?? new Uint8Array()), "second");
    after.close();
  });

  it("has to be idle", async () => {
    const { take, far } = carrierThatChangesHands();
    const server = new YamuxSession(far, { role: "server" });
    const client = new YamuxSession(take(), { role: "client" });
    client.open();
    const theirs = await accepted(server);
    await theirs.write(encodeUtf8("unread"));
    await assert.rejects(client.suspend(), { code: "internal", message: "stream 1 is not idle" });
  });

  it("is not made of what no session can be in", () => {
    const stream = { id: 1, sendWindow: 1, receiveWindow: initialWindowBytes, consumed: 0, extraWindow: 0 };
    const state = { nextId: 3, lastPeerId: 0, streams: [stream] };
    assert.equal(isSessionState(state), true);
    for (const wrong of [
      undefined,
      { ...state, nextId: -1 },
      { ...state, streams: {} },
      { ...state, streams: [undefined] },
      { ...state, streams: [{ ...stream, sendWindow: 2 ** 32 }] },
      { ...state, streams: [{ ...stream, receiveWindow: initialWindowBytes + 1 }] },
    ]) {
      assert.equal(isSessionState(wrong), false, JSON.stringify(wrong));
    }
  });
});
