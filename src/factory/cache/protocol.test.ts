import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import os from "node:os";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { testOs } from "../../../test/support/node-os.ts";
import { askWhoListens } from "./protocol.ts";

const timeoutMs = 60_000;

describe("a question to the server of the cache", () => {
  let directory: string;
  before(async () => {
    directory = await mkdtemp(path.join(os.tmpdir(), "kumite-test-cache-protocol-"));
  });
  after(() => rm(directory, { recursive: true }));

  /** How many were connected by the time of the answer. */
  async function askOne(name: string, onConnection: (connection: Socket, count: number) => void, removeAfter = 0) {
    const socket = path.join(directory, name);
    let count = 0;
    const server = createServer((connection) => {
      connection.on("error", () => {});
      count += 1;
      if (count === removeAfter) server.close();
      onConnection(connection, count);
    });
    await new Promise<void>((resolve) => server.listen(socket, resolve));
    try {
      return { answer: await askWhoListens(testOs(), socket, { ask: "status" }, timeoutMs), count };
    } finally {
      server.close();
    }
  }

  it("has no answer where nobody listens", async () => {
    assert.equal(await askWhoListens(testOs(), path.join(directory, "none"), { ask: "status" }, timeoutMs), undefined);
  });

  it("has none when the server dies while it is asked, whether it has read the question or not", async () => {
    for (const [name, end] of [
      ["read", (connection: Socket) => connection.once("data", () => connection.destroy())],
      ["unread", (connection: Socket) => connection.destroy()],
    ] as const) {
      assert.deepEqual(await askOne(name, end, 1), { answer: undefined, count: 1 });
    }
  });

  it("is asked again of who listens then", async () => {
    const { answer, count } = await askOne("again", (connection, count) => {
      if (count === 1) connection.destroy();
      else connection.once("data", () => connection.end('{"status":{}}\n'));
    });
    assert.deepEqual({ answer, count }, { answer: { status: {} }, count: 2 });
  });

  it("fails by its reason when each one ends without an answer", async () => {
    await assert.rejects(
      askOne("never", (connection) => connection.end()),
      { name: "SystemError" },
    );
  });
});
