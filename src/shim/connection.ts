/**
 * One connection to the shim's socket: calls, or a stream of a process. The first byte tells which: a ttrpc frame
 * begins with a zero byte of its length, a stream with the C of its hello line.
 */
import { serve } from "../protocol/ttrpc/server.ts";
import type { TtrpcService } from "../protocol/ttrpc/service-table.ts";
import { showConsole } from "../sandbox/console.ts";
import { dialDebugPort, joinStreams } from "../sandbox/guest-port.ts";
import type { Sandbox } from "../sandbox/sandbox.ts";
import {
  acceptHello,
  type DebugHello,
  helloFirstByte,
  maxHelloBytes,
  parseDebugHello,
  parseHello,
  refuseHello,
} from "../shim-client/stdio-hello.ts";
import type { ByteStream } from "../sys/os.ts";
import { ByteReader } from "../util/byte-reader.ts";
import { pushBack } from "../util/bytes.ts";
import { withDeadline } from "../util/deadline.ts";
import { KumiteError, messageOf, messageWithCauses } from "../util/errors.ts";
import { withHostHint } from "../util/host-hint.ts";
import type { Logger } from "../util/log.ts";

/** Time for a new connection to say what it is. */
const helloTimeoutMs = 30_000;
/** First byte of a frame's length, which is under 16 MiB. */
const ttrpcFirstByte = 0;

export interface ConnectionOptions {
  readonly services: readonly TtrpcService[];
  readonly sandbox: Sandbox;
  readonly log: Logger;
}

/** Serves the connection and takes ownership of it. Never rejects. */
export async function serveConnection(stream: ByteStream, options: ConnectionOptions): Promise<void> {
  const { services, log } = options;
  try {
    const first = await withDeadline(helloTimeoutMs, "waiting for a connection's first byte", (signal) =>
      stream.read(signal),
    );
    if (first === undefined) return stream.close();
    const whole = pushBack(stream, first);
    switch (first[0]) {
      case helloFirstByte:
        return await serveStream(whole, options);
      case ttrpcFirstByte:
        serve(whole, services, {
          onError: (call, error) => log.info(`${call} failed: ${messageWithCauses(error)}`, { phase: "call" }),
          explain: withHostHint,
        });
        return;
      default:
        throw new KumiteError("protocol/violation", "its first byte begins neither a call nor a stream");
    }
  } catch (error) {
    log.debug(`a connection was dropped: ${messageOf(error)}`, { phase: "connection" });
    stream.close();
  }
}

async function serveStream(stream: ByteStream, { sandbox, log }: ConnectionOptions): Promise<void> {
  const reader = new ByteReader(stream);
  try {
    const line = await withDeadline(helloTimeoutMs, "waiting for a hello line", (signal) =>
      reader.readLine(maxHelloBytes, signal),
    );
    const debug = parseDebugHello(line ?? "");
    if (debug !== undefined) return await serveDebug(sandbox, stream, reader.rest(), debug);
    const { id, execId, stream: name } = parseHello(line ?? "");
    const never = new AbortController().signal;
    const process = await sandbox.processes.awaited({ containerId: id, execId }, never);
    process.stdio.checkRelay(name);
    await acceptHello(stream);
    process.stdio.offerRelay(name, reader.rest());
  } catch (error) {
    log.debug(`a stream was refused: ${messageOf(error)}`, { phase: "connection" });
    await refuseHello(stream, messageOf(error)).catch(() => {});
    stream.close();
  }
}

/** `rest` is the stream after the hello line. */
async function serveDebug(sandbox: Sandbox, stream: ByteStream, rest: ByteStream, hello: DebugHello): Promise<void> {
  const { log } = sandbox.host;
  log.warn(`a debug session begins: ${hello.target}`, { phase: "debug" });
  switch (hello.target) {
    case "console":
      sandbox.running();
      await acceptHello(stream);
      return showConsole(sandbox, rest);
    case "port": {
      const guest = await withDeadline(helloTimeoutMs, "connecting to the guest's debug console", (signal) =>
        dialDebugPort(sandbox, hello.port, signal),
      );
      await acceptHello(stream);
      return joinStreams(rest, guest);
    }
  }
}
