/** ttrpc in both directions: a server that gets requests, and a client that gets answers. */
import { Request, Response } from "../../src/protocol/gen/ttrpc/envelope.ts";
import { TtrpcConnection } from "../../src/protocol/ttrpc/connection.ts";
import { encodeHeader, frameType } from "../../src/protocol/ttrpc/frame.ts";
import { serve } from "../../src/protocol/ttrpc/server.ts";
import type { TtrpcService } from "../../src/protocol/ttrpc/service-table.ts";
import { isTtrpcError } from "../../src/protocol/ttrpc/status.ts";
import { deferred } from "../../src/util/deferred.ts";
import type { KumiteError } from "../../src/util/errors.ts";
import { encodeUtf8 } from "../../src/util/text.ts";
import { feed, soon } from "../feed.ts";
import { mustBeRefusal, type Target } from "../target.ts";

const services: readonly TtrpcService[] = [
  {
    name: "test.Service",
    methods: new Map([
      ["Echo", async (payload) => payload],
      ["Fail", () => Promise.reject(new Error("refused"))],
    ]),
  },
];

export const ttrpc: Target = {
  name: "ttrpc",
  words: ["test.Service", "Echo", "Fail"],
  seeds: () => [
    message(0, frameType.request, request("Echo")),
    message(0, frameType.request, request("Fail")),
    message(0, frameType.request, request("None")),
    message(1, frameType.response, Response.encode(Response.fromPartial({ payload: encodeUtf8("ok") })).finish()),
    message(
      1,
      frameType.response,
      Response.encode(Response.fromPartial({ status: { code: 5, message: "not found" } })).finish(),
    ),
    message(1, frameType.data, encodeUtf8("data")),
  ],
  run: (input) => ((input[0] ?? 0) % 2 === 0 ? serverReads(input) : clientReads(input)),
};

async function serverReads(input: Uint8Array): Promise<void> {
  const { stream, done } = feed(input);
  const closed = deferred<KumiteError>();
  serve(stream, services, { onClose: closed.resolve });
  mustBeRefusal(await soon("the end of the connection", closed.promise), "protocol/closed", "protocol/violation");
  await soon("the last answer", done);
}

async function clientReads(input: Uint8Array): Promise<void> {
  const { stream, done } = feed(input);
  const connection = new TtrpcConnection(stream);
  const calls = [0, 1].map(() =>
    connection.call("test.Service", "Echo", encodeUtf8("hello"), { maxResponseBytes: 4096 }),
  );
  for (const outcome of await soon("the end of the calls", Promise.allSettled(calls))) {
    if (outcome.status === "rejected" && !isTtrpcError(outcome.reason)) mustBeRefusal(outcome.reason);
  }
  connection.close();
  mustBeRefusal(await soon("the end of the connection", connection.closed), "protocol/closed", "protocol/violation");
  await soon("the peer's end", done);
}

function request(method: string): Uint8Array {
  const fields = { service: "test.Service", method, payload: encodeUtf8("hello"), timeoutNano: 1_000_000_000n };
  return Request.encode(Request.fromPartial({ ...fields, metadata: [{ key: "a", value: "b" }] })).finish();
}

/** The first byte selects the end that reads, and the pieces. */
function message(end: 0 | 1, type: number, data: Uint8Array): Uint8Array {
  return new Uint8Array(
    Buffer.concat([Uint8Array.of(4 + end), encodeHeader({ length: data.length, streamId: 1, type, flags: 0 }), data]),
  );
}
