/**
 * The agent's port. A host has one connection to it, and another while it finds its way back; what any number of them can
 * make the agent hold is bounded all the same, by how many are served and by what each may have under way.
 */
import { type ServerLimits, serve } from "../../protocol/ttrpc/server.ts";
import type { TtrpcService } from "../../protocol/ttrpc/service-table.ts";
import type { ByteStream } from "../../sys/os.ts";
import { messageOf } from "../../util/errors.ts";
import type { Logger } from "../../util/log.ts";
import { oneLine } from "../../util/text.ts";

/** Served at a time; one more is hung up on. */
const maxConnections = 4;

/** Of each connection: two requests of the largest length. Its host has one container made at a time, or a few small ones. */
const limits: ServerLimits = { maxRequestBytes: 8 * 1024 * 1024, maxUnsentBytes: 1024 * 1024 };

/** Takes the streams of the port, one by one. */
export function agentPortHandler(services: readonly TtrpcService[], log: Logger): (stream: ByteStream) => void {
  let connections = 0;
  return (stream) => {
    if (connections >= maxConnections) {
      log.warn("a connection of the host is refused", { connections });
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
