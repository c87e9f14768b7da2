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
  /** Default for calls that set none; 0, the default, means no limit. */
  readonly timeoutMs?: number;
  /** Default for calls that set none. A decoded message can take a hundred times its encoded size. */
  readonly maxResponseBytes?: number;
  /** Sent with every call, together with the call's own metadata. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** Default: the name in the definition. */
  readonly serviceName?: string;
}

/** Returns an object with one function per method; errors are those of `TtrpcConnection.call`. */
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
