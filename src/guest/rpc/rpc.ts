/** How one method of the agent is written down: its name, its messages and what it does. */
import type { CallContext } from "../../protocol/ttrpc/call-context.ts";
import { grpcCode } from "../../protocol/ttrpc/grpc-code.ts";
import { encodeMessage, type MessageInit, type MessageType } from "../../protocol/ttrpc/service.ts";
import type { RawMethod, TtrpcService } from "../../protocol/ttrpc/service-table.ts";
import { TtrpcError } from "../../protocol/ttrpc/status.ts";
import { messageOf } from "../../util/errors.ts";
import type { Agent } from "../agent.ts";

export interface Rpc {
  /** As on the wire, e.g. `CreateContainer`. */
  readonly name: string;
  readonly serve: (agent: Agent) => RawMethod;
}

/** A message that arrives: only what is used of it, so that the bundle has no more. */
interface Decoder<Request> {
  decode(bytes: Uint8Array): Request;
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
      const request = decode(requestType, payload, name);
      // An empty answer needs not be written down.
      return encodeMessage(responseType, (await handle(agent, request, context)) ?? {});
    },
  };
}

/** A method that is known, so that its name is not taken for a mistake, but not there yet. */
export function notImplemented(name: string): Rpc {
  return {
    name,
    serve: () => async () => {
      throw new TtrpcError(grpcCode.unimplemented, `${name} is not implemented by this agent`);
    },
  };
}

export function service(name: string, rpcs: readonly Rpc[], agent: Agent): TtrpcService {
  return { name, methods: new Map(rpcs.map((method) => [method.name, method.serve(agent)])) };
}

function decode<Request>(type: Decoder<Request>, payload: Uint8Array, name: string): Request {
  try {
    return type.decode(payload);
  } catch (error) {
    throw new TtrpcError(grpcCode.invalidArgument, `${name}: the request is malformed: ${messageOf(error)}`);
  }
}
