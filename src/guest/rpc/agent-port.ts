/**
 * The agent's port. A host has one connection to it, and a second one while it reconnects. However many there are, the
 * memory they can take is bounded: by the number of connections served, and by what each may have in progress.
 */
import { type ServerLimits, serve } from "../../protocol/ttrpc/server.ts";
import type { TtrpcService } from "../../protocol/ttrpc/service-table.ts";
import type { ByteStream } from "../../sys/os.ts";
import { messageOf } from "../../util/errors.ts";
import type { Logger } from "../../util/log.ts";
import { oneLine } from "../../util/text.ts";

/** Connections served at the same time; another one is closed. */
const maxConnections = 4;

/**
 * Limits of each connection: two requests of the largest size. A host creates one container at a time, or a few small
 * ones.
 */
const limits: ServerLimits = { maxRequestBytes: 8 * 1024 * 1024, maxUnsentBytes: 1024 * 1024 };

/** Handles the streams of the port, one by one. */
export function agentPortHandler(services: readonly TtrpcService[], log: Logger): (stream: ByteStream) => void {
  let connections = 0;
  return (stream) => {
    if (connections >= maxConnections) {
      log.warn("a connection from the host was refused", { connections });
      stream.close();
      return;
    }
    connections += 1;
    serve(stream, services, {
      limits,
      onError: (call, error) => log.warn("a call failed", { call, error: oneLine(messageOf(error)) }),
      onClose: () => {
        connections -= 1;
      },
    });
  };
}
