/** Typed calls over a ttrpc connection, derived from a generated service definition. */
import { KumiteError, messageOf } from "../../util/errors.ts";
import type { CallOptions, TtrpcConnection } from "./connection.ts";
import { encodeMessage, type MessageInit, type RequestOf, type ResponseOf, type ServiceDefinition } from "./service.ts";

export type TtrpcClient<Definition extends ServiceDefinition> = {
  readonly [Method in keyof Definition["methods"]]: (
    request: MessageInit<RequestOf<Definition["methods"][Method]>>,
    options?: CallOptions,
  ) => Promise<ResponseOf<Definition["methods"][Method]>>;
};

export interface ClientOptions {
  /** Used where a call gives none; 0, the default, means no limit. */
  readonly timeoutMs?: number;
  /** Used where a call gives none. A decoded message can take a hundred times the bytes it came in. */
  readonly maxResponseBytes?: number;
  /** Sent with every call; a call's own metadata is added to it. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** Default: the definition's name. */
  readonly serviceName?: string;
}

/** One function per method; a call's errors are those of `TtrpcConnection.call`. */
export function ttrpcClient<Definition extends ServiceDefinition>(
  definition: Definition,
  connection: TtrpcConnection,
  { timeoutMs = 0, maxResponseBytes, metadata = {}, serviceName = definition.fullName }: ClientOptions = {},
): TtrpcClient<Definition> {
  const methods = Object.entries(definition.methods).map(([key, method]) => {
    const call = async (request: unknown, options: CallOptions = {}): Promise<unknown> => {
      const payload = await connection.call(serviceName, method.name, encodeMessage(method.requestType, request), {
        ...options,
        timeoutMs: options.timeoutMs ?? timeoutMs,
        maxResponseBytes: options.maxResponseBytes ?? maxResponseBytes,
        metadata: { ...metadata, ...options.metadata },
      });
      try {
        return method.responseType.decode(payload);
      } catch (error) {
        throw new KumiteError(
          "protocol/violation",
          `${serviceName}/${method.name}: the answer is malformed: ${messageOf(error)}`,
        );
      }
    };
    return [key, call] as const;
  });
  return Object.fromEntries(methods) as unknown as TtrpcClient<Definition>;
}
