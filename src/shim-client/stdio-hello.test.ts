import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { ByteStream } from "../sys/os.ts";
import { isKumiteError } from "../util/errors.ts";
import { decodeUtf8, encodeUtf8 } from "../util/text.ts";
import { helloFirstByte, parseHello, type StdioHello, sayHello } from "./stdio-hello.ts";

/** A peer that has already answered. Records what is written to it. */
function answering(...chunks: string[]): ByteStream & { readonly written: string[] } {
  const written: string[] = [];
  return {
    written,
    read: async () => {
      const chunk = chunks.shift();
      return chunk === undefined ? undefined : encodeUtf8(chunk);
    },
    write: async (bytes) => void written.push(decodeUtf8(bytes)),
    end: async () => {},
    close: () => {},
  };
}

const hello: StdioHello = { id: "web", execId: undefined, stream: "stdout" };

describe("the hello line of a stream", () => {
  it("is received as it was sent, for every id", async () => {
    const id = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_.+-]{0,127}$/);
    const stream = fc.constantFrom("stdin", "stdout", "stderr");
    const hellos = fc.record({ id, execId: fc.option(id, { nil: undefined }), stream });
    await fc.assert(
      fc.asyncProperty(hellos, async (sent) => {
        const peer = answering("OK\n");
        await sayHello(peer, sent);
        const line = peer.written.join("");
        assert.equal(line.charCodeAt(0), helloFirstByte);
        assert.deepEqual(parseHello(line.trimEnd()), { ...sent });
      }),
    );
  });

  it("loses no byte of the stream that arrives with the answer", async () => {
    const reader = await sayHello(answering("OK\nfirst", " second"), hello);
    assert.equal(decodeUtf8((await reader.readSome()) as Uint8Array), "first");
    assert.equal(decodeUtf8((await reader.readSome()) as Uint8Array), " second");
    assert.equal(await reader.readSome(), undefined);
  });

  it("fails with the shim's reason when it is refused", async () => {
    await assert.rejects(sayHello(answering("ERROR no such process\n"), hello), (error) => {
      assert.ok(isKumiteError(error, "shim/unreachable"));
      assert.match(error.message, /stdout of web: no such process$/);
      return true;
    });
    await assert.rejects(sayHello(answering(), hello), /closed the connection/);
  });

  it("is refused if a word is missing, unknown or superfluous", () => {
    for (const line of [
      "",
      "CONNECT",
      "CONNECT stdio web -",
      "CONNECT stdio web - stdlog",
      "CONNECT stdio  - stdin",
      "CONNECT stdio web - stdin more",
      "connect stdio web - stdin",
    ]) {
      assert.throws(() => parseHello(line), /not a hello line/, line);
    }
  });
});
