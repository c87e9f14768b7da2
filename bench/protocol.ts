/**
 * Throughput and latency of the protocol layer over a unix socket pair on this host, without a VM. Prints JSON: `npx
 * tsx bench/protocol.ts [MiB]`. The same bytes over the bare socket are the floor of the stream figures.
 */
import { once } from "node:events";
import { rmSync } from "node:fs";
import { createConnection, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HealthCheckResponse_ServingStatus, HealthDefinition } from "../src/protocol/gen/kata/health.ts";
import { ttrpcClient } from "../src/protocol/ttrpc/client.ts";
import { TtrpcConnection } from "../src/protocol/ttrpc/connection.ts";
import { serve } from "../src/protocol/ttrpc/server.ts";
import { ttrpcService } from "../src/protocol/ttrpc/service-table.ts";
import { YamuxSession } from "../src/protocol/yamux/session.ts";
import { SocketStream } from "../src/sys/node/socket-stream.ts";
import type { ByteStream } from "../src/sys/os.ts";

const rounds = 5;
const calls = 2000;

async function socketPair(): Promise<[ByteStream, ByteStream]> {
  const path = join(tmpdir(), `kumite-bench-${process.pid}.sock`);
  const server = createServer().listen(path);
  await once(server, "listening");
  const accepted = once(server, "connection") as Promise<[Socket]>;
  const client = createConnection(path);
  const [[peer]] = await Promise.all([accepted, once(client, "connect")]);
  server.close();
  rmSync(path, { force: true });
  return [new SocketStream(client), new SocketStream(peer)];
}

/** MiB per second from one end to the other, in writes of 64 KiB. */
async function transfer(from: ByteStream, to: ByteStream, mebibytes: number): Promise<number> {
  const block = new Uint8Array(64 * 1024);
  const start = performance.now();
  const sending = (async () => {
    for (let sent = 0; sent < mebibytes * 16; sent += 1) await from.write(block);
    await from.end();
  })();
  let got = 0;
  for (let chunk = await to.read(); chunk !== undefined; chunk = await to.read()) got += chunk.length;
  await sending;
  if (got !== mebibytes << 20) throw new Error(`${got} bytes arrived`);
  return mebibytes / ((performance.now() - start) / 1000);
}

async function bare(mebibytes: number): Promise<number> {
  const [left, right] = await socketPair();
  try {
    return await transfer(left, right, mebibytes);
  } finally {
    left.close();
    right.close();
  }
}

async function yamux(mebibytes: number, receiveWindowBytes: number): Promise<number> {
  const [left, right] = await socketPair();
  const client = new YamuxSession(left, { role: "client" });
  const server = new YamuxSession(right, { role: "server", receiveWindowBytes });
  const ours = client.open();
  const theirs = await server.accept();
  if (theirs === undefined) throw new Error("the session is over");
  try {
    return await transfer(ours, theirs, mebibytes);
  } finally {
    client.close();
    server.close();
  }
}

/** Microseconds per sequential call. */
async function call(): Promise<number> {
  const [left, right] = await socketPair();
  serve(right, [
    ttrpcService(HealthDefinition, { check: () => ({ status: HealthCheckResponse_ServingStatus.SERVING }) }),
  ]);
  const connection = new TtrpcConnection(left);
  const health = ttrpcClient(HealthDefinition, connection, { timeoutMs: 60_000 });
  await health.check({});
  const start = performance.now();
  for (let count = 0; count < calls; count += 1) await health.check({});
  const elapsedMs = performance.now() - start;
  connection.close();
  return (elapsedMs * 1000) / calls;
}

function median(values: number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

async function main(mebibytes: number): Promise<void> {
  const results: Record<string, number[]> = { socketMiBps: [], yamux256KiBps: [], yamux1MiBps: [], callUs: [] };
  for (let round = 0; round < rounds; round += 1) {
    results.socketMiBps?.push(await bare(mebibytes));
    results.yamux256KiBps?.push(await yamux(mebibytes, 256 * 1024));
    results.yamux1MiBps?.push(await yamux(mebibytes, 1024 * 1024));
    results.callUs?.push(await call());
  }
  const medians = Object.fromEntries(
    Object.entries(results).map(([name, values]) => [name, Math.round(median(values))]),
  );
  process.stdout.write(`${JSON.stringify({ mebibytes, rounds, ...medians })}\n`);
}

await main(Number(process.argv[2] ?? 128));
