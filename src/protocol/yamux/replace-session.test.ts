import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readAll } from "../../util/bytes.ts";
import { isKumiteError } from "../../util/errors.ts";
import { streamPair } from "../../util/stream-pair.ts";
import { decodeUtf8, encodeUtf8 } from "../../util/text.ts";
import { replaceSession } from "./replace-session.ts";
import { sessionTokenLength } from "./session-token.ts";

const token = Uint8Array.from({ length: sessionTokenLength }, (_, index) => index % 3);
const forever = new AbortController().signal;

describe("a session that is taken over", () => {
  it("begins behind the token, wherever the input is cut and whatever comes before", async () => {
    // Contains the beginning of the token more than once.

    const before = Uint8Array.from([...token.subarray(0, 31), ...token.subarray(0, 4), 9, ...token.subarray(0, 31)]);
    for (const nextReadLength of [() => 1, () => 7, () => 33, () => Number.POSITIVE_INFINITY]) {
      const [host, guest] = streamPair({ nextReadLength });
      await guest.write(before);
      await guest.write(token);
      await guest.write(encodeUtf8("mine"));
      await guest.end();
      const replaced = await replaceSession(host, token, forever);
      assert.equal(decodeUtf8(await readAll(replaced, 100)), "mine");
    }
  });

  it("fails if the peer disconnects or sends no token", async () => {
    const [host, guest] = streamPair();
    await guest.end();
    await assert.rejects(replaceSession(host, token, forever), (error) => isKumiteError(error, "protocol/closed"));
    const [flooded, flooding] = streamPair();
    const ended = assert.rejects(replaceSession(flooded, token, forever), (error) =>
      isKumiteError(error, "protocol/violation"),
    );
    const piece = new Uint8Array(1024 * 1024).fill(5);
    for (let count = 0; count < 17; count++) await flooding.write(piece).catch(() => {});
    flooding.close();
    await ended;
  });
});
