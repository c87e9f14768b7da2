/**
 * A verb's connection to a shim: typed calls that fail with the shim's own errors. Does not know what the calls mean.
 */
import { type TtrpcClient, ttrpcClient } from "../protocol/ttrpc/client.ts";
import { type CallOptions, TtrpcConnection } from "../protocol/ttrpc/connection.ts";
import type { ServiceDefinition } from "../protocol/ttrpc/service.ts";
import { unwrapRemote } from "../protocol/ttrpc/status.ts";
import type { Os } from "../sys/os.ts";
import { withDeadline } from "../util/deadline.ts";
import { isKumiteError, isSystemError, KumiteError } from "../util/errors.ts";
import { ociCalls, taskCalls } from "./services.ts";

/** Timeout of a call that sets none, in milliseconds. */
const callTimeoutMs = 30_000;
const connectTimeoutMs = 10_000;

export interface ShimConnection {
  readonly task: TtrpcClient<typeof taskCalls>;
  readonly oci: TtrpcClient<typeof ociCalls>;
  /** Resolves with the reason when the connection is lost or closed. */
  readonly closed: Promise<KumiteError>;
  close(): void;
}

/**
 * Connects to the shim of an existing sandbox.
 * @throws KumiteError `shim/unreachable` if no process serves the socket: the shim is dead
 */
export async function connectShim(os: Os, socket: string, id: string, signal?: AbortSignal): Promise<ShimConnection> {
  const connection = new TtrpcConnection(await dial(os, socket, id, signal));
  return {
    task: explaining(taskCalls, connection, id),
    oci: explaining(ociCalls, connection, id),
    closed: connection.closed,
    close: () => connection.close(),
  };
}

async function dial(os: Os, socket: string, id: string, signal?: AbortSignal) {
  try {
    return await withDeadline(
      connectTimeoutMs,
      `connecting to the shim of ${id}`,
      (s) => os.sockets.connect(socket, s),
      signal,
    );
  } catch (error) {
    if (isSystemError(error)) throw unreachable(id, `no process listens on ${socket}`, error);
    throw error;
  }
}

/** A service's client that converts the errors of its calls. */
function explaining<Definition extends ServiceDefinition>(
  definition: Definition,
  connection: TtrpcConnection,
  id: string,
): TtrpcClient<Definition> {
  const client = ttrpcClient(definition, connection, { timeoutMs: callTimeoutMs });
  type Call = (request: unknown, options?: CallOptions) => Promise<unknown>;
  const calls = Object.entries(client).map(([name, call]) => {
    const explained: Call = (request, options) =>
      (call as Call)(request, options).catch((error: unknown) => {
        throw explain(error, id);
      });
    return [name, explained] as const;
  });
  return Object.fromEntries(calls) as unknown as TtrpcClient<Definition>;
}

function explain(error: unknown, id: string): unknown {
  if (isKumiteError(error, "protocol/closed")) return unreachable(id, "it ended during the call", error.cause);
  return unwrapRemote(error, "internal", { data: { id } });
}

function unreachable(id: string, why: string, cause: unknown): KumiteError {
  return new KumiteError("shim/unreachable", `the shim of container ${id} cannot be reached: ${why}`, {
    hint: `\`kumite delete --force ${id}\` removes what is left of the container`,
    data: { id },
    cause,
  });
}
