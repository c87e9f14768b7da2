/** How a method of the agent is declared: its name, its messages and its implementation. */
import type { CallContext } from "../../protocol/ttrpc/call-context.ts";
import { grpcCode } from "../../protocol/ttrpc/grpc-code.ts";
import { MessageReader } from "../../protocol/ttrpc/message-reader.ts";
import { encodeMessage, type MessageInit, type MessageType } from "../../protocol/ttrpc/service.ts";
import type { RawMethod, TtrpcService } from "../../protocol/ttrpc/service-table.ts";
import { TtrpcError } from "../../protocol/ttrpc/status.ts";
import { isOutOfMemory, messageOf } from "../../util/errors.ts";
import type { Agent } from "../agent.ts";

export interface Rpc {
  /** As on the wire, for example `CreateContainer`. */
  readonly name: string;
  readonly serve: (agent: Agent) => RawMethod;
}

/** The type of a request: only its decoder, so that the bundle contains nothing else of it. */
interface Decoder<Request> {
  decode(reader: MessageReader): Request;
}

export function rpc<Request, Response extends object>(
  name: string,
  requestType: Decoder<Request>,
  responseType: MessageType & Decoder<Response>,
  handle: (
    agent: Agent,
    request: Request,
    context: CallContext,
  ) => MessageInit<Response> | undefined | Promise<MessageInit<Response> | undefined>,
): Rpc {
  return {
    name,
    serve: (agent) => async (payload, context) => {
      try {
        const request = decode(requestType, payload, name);
        // A method without a result sends an empty message.
        return encodeMessage(responseType, (await handle(agent, request, context)) ?? {});
      } catch (error) {
        if (!isOutOfMemory(error)) throw error;
        throw new TtrpcError(
          grpcCode.resourceExhausted,
          `${name}: the agent lacks the memory to serve a request of ${payload.length} bytes`,
        );
      }
    },
  };
}

/** A method whose code is loaded with its first call. Few containers need it, and all would pay for it in memory. */
export function onDemand(name: string, load: () => Promise<readonly Rpc[]>): Rpc {
  return {
    name,
    serve: (agent) => {
      let method: RawMethod | undefined;
      return async (payload, context) => {
        method ??= (await load()).find((rpc) => rpc.name === name)?.serve(agent);
        if (method === undefined)
          throw new TtrpcError(grpcCode.internal, `${name}: its code does not contain this method`);
        return method(payload, context);
      };
    },
  };
}

/** A method that needs the postponed part of the boot. */
export function afterBoot({ name, serve }: Rpc): Rpc {
  return {
    name,
    serve: (agent) => {
      const method = serve(agent);
      return (payload, context) => {
        agent.bootRest.finish();
        return method(payload, context);
      };
    },
  };
}

export function service(name: string, rpcs: readonly Rpc[], agent: Agent): TtrpcService {
  return { name, methods: new Map(rpcs.map((method) => [method.name, method.serve(agent)])) };
}

function decode<Request>(type: Decoder<Request>, payload: Uint8Array, name: string): Request {
  try {
    return type.decode(new MessageReader(payload));
  } catch (error) {
    if (isOutOfMemory(error)) throw error;
    throw new TtrpcError(grpcCode.invalidArgument, `${name}: the request is malformed: ${messageOf(error)}`);
  }
}
