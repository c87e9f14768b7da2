/** A client and a server, or one of them and a hand-written peer, over streams in memory. */
import assert from "node:assert/strict";
import type { ByteStream } from "../../sys/os.ts";
import { ByteReader } from "../../util/byte-reader.ts";
import { concat } from "../../util/bytes.ts";
import { type StreamPairOptions, streamPair } from "../../util/stream-pair.ts";
import { AgentServiceDefinition } from "../gen/kata/agent-service.ts";
import type { HealthDefinition } from "../gen/kata/health.ts";
import { Response } from "../gen/ttrpc/envelope.ts";
import { ttrpcClient } from "./client.ts";
import { TtrpcConnection } from "./connection.ts";
import { requestParts } from "./envelope.ts";
import { encodeHeader } from "./frame.ts";
import { type ServeOptions, serve } from "./server.ts";
import { type TtrpcImplementation, ttrpcService } from "./service-table.ts";

export const serving: TtrpcImplementation<typeof HealthDefinition> = { check: () => ({ status: 1 }) };

type Agent = TtrpcImplementation<typeof AgentServiceDefinition>;

/** Sends and receives frames by hand. */
export class RawPeer {
  readonly stream: ByteStream;
  readonly #reader: ByteReader;

  constructor(stream: ByteStream) {
    this.stream = stream;
    this.#reader = new ByteReader(stream);
  }

  header(length: number, streamId: number, type: number): Promise<void> {
    return this.stream.write(encodeHeader({ length, streamId, type, flags: 0 }));
  }

  async frame(streamId: number, type: number, flags: number, data: Uint8Array): Promise<void> {
    await this.stream.write(concat([encodeHeader({ length: data.length, streamId, type, flags }), data]));
  }

  async send(
    streamId: number,
    service: string,
    method: string,
    { timeoutNano = 0n }: { timeoutNano?: bigint } = {},
    payload = new Uint8Array(0),
  ): Promise<void> {
    const { parts } = requestParts(streamId, { service, method, timeoutNano, metadata: [] }, payload);
    await this.stream.write(concat(parts));
  }

  /** The next frame, which must be a response on this stream. */
  async answer(streamId: number): Promise<Response> {
    const header = await this.#reader.readExactlyOrEnd(10);
    assert.ok(header !== undefined, "the server closed the connection");
    const view = new DataView(header.buffer, header.byteOffset);
    assert.deepEqual([view.getUint32(4), view.getUint8(8)], [streamId, 2]);
    return Response.decode(await this.#reader.readExactly(view.getUint32(0)));
  }
}

export function pair(options: StreamPairOptions = {}): { client: ByteStream; server: ByteStream } {
  const [client, server] = streamPair(options);
  return { client, server };
}

export function connect(implementation: Agent, options: ServeOptions = {}, streams: StreamPairOptions = {}) {
  const { client, server } = pair(streams);
  const served = serve(server, [ttrpcService(AgentServiceDefinition, implementation)], options);
  const connection = new TtrpcConnection(client);
  return { agent: ttrpcClient(AgentServiceDefinition, connection), connection, served };
}

/** Lets everything run that needs no further input. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
