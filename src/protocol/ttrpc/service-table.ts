/**
 * Typed implementations of services, derived from generated service definitions, and the lookup of methods by the
 * server.
 */
import { messageOf } from "../../util/errors.ts";
import type { CallContext } from "./call-context.ts";
import { grpcCode } from "./grpc-code.ts";
import { encodeMessage, type MessageInit, type RequestOf, type ResponseOf, type ServiceDefinition } from "./service.ts";
import { TtrpcError } from "./status.ts";

/** A method with encoded messages. */
export type RawMethod = (payload: Uint8Array, context: CallContext) => Promise<Uint8Array>;

export interface TtrpcService {
  /** Name on the wire, for example `grpc.Health`. */
  readonly name: string;
  /** By name on the wire, for example `Check`. */
  readonly methods: ReadonlyMap<string, RawMethod>;
}

/** A method that is missing is answered with `unimplemented`. An exception becomes the status of the answer. */
export type TtrpcImplementation<Definition extends ServiceDefinition> = {
  readonly [Method in keyof Definition["methods"]]?: (
    request: RequestOf<Definition["methods"][Method]>,
    context: CallContext,
  ) =>
    | MessageInit<ResponseOf<Definition["methods"][Method]>>
    | Promise<MessageInit<ResponseOf<Definition["methods"][Method]>>>;
};

/** @param name another name for the same service, such as containerd has for its task service */
export function ttrpcService<Definition extends ServiceDefinition>(
  definition: Definition,
  implementation: TtrpcImplementation<Definition>,
  name: string = definition.fullName,
): TtrpcService {
  const methods = new Map<string, RawMethod>();
  for (const [key, { name: wireName, requestType, responseType }] of Object.entries(definition.methods)) {
    const handle = implementation[key] as ((request: unknown, context: CallContext) => unknown) | undefined;
    if (handle === undefined) continue;
    methods.set(wireName, async (payload, context) => {
      const request = decodeRequest(requestType.decode, payload, `${name}/${wireName}`);
      // Called as a method of the implementation, which may be an object with state.
      return encodeMessage(responseType, await handle.call(implementation, request, context));
    });
  }
  return { name, methods };
}

/** @throws TtrpcError `unimplemented` */
export function findMethod(services: readonly TtrpcService[], service: string, method: string): RawMethod {
  const found = services.find(({ name }) => name === service);
  if (found === undefined) throw new TtrpcError(grpcCode.unimplemented, `service ${service} is not served here`);
  const handler = found.methods.get(method);
  if (handler === undefined) {
    throw new TtrpcError(grpcCode.unimplemented, `method ${service}/${method} is not implemented`);
  }
  return handler;
}

function decodeRequest(decode: (bytes: Uint8Array) => unknown, payload: Uint8Array, name: string): unknown {
  try {
    return decode(payload);
  } catch (error) {
    throw new TtrpcError(grpcCode.invalidArgument, `${name}: the request is malformed: ${messageOf(error)}`);
  }
}
