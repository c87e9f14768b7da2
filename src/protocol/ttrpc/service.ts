/**
 * The types that turn a generated service definition into a typed client or a typed implementation.
 * Only the shapes that ts-proto generates are described here; nothing runs.
 */

/** What ts-proto makes of a message, as far as this layer uses it. */
export interface MessageType {
  encode(message: never): { finish(): Uint8Array };
  decode(bytes: Uint8Array): unknown;
  fromPartial(init: never): unknown;
}

export interface MethodDefinition {
  /** As on the wire, e.g. `CreateContainer`. */
  readonly name: string;
  readonly requestType: MessageType;
  readonly requestStream: boolean;
  readonly responseType: MessageType;
  readonly responseStream: boolean;
}

export interface ServiceDefinition {
  /** As on the wire, e.g. `grpc.AgentService`. */
  readonly fullName: string;
  readonly methods: Readonly<Record<string, MethodDefinition>>;
}

/** The message of a message type. */
export type MessageOf<Type> = Type extends { decode(bytes: Uint8Array): infer Message } ? Message : never;

/** A message with every field optional, at every depth. What is left out has its protobuf default. */
export type MessageInit<Message> = Message extends bigint | string | number | boolean | Uint8Array | undefined
  ? Message
  : Message extends ReadonlyMap<unknown, unknown>
    ? Message
    : Message extends readonly (infer Element)[]
      ? readonly MessageInit<Element>[]
      : { readonly [Field in keyof Message]?: MessageInit<Message[Field]> | undefined };

export type RequestOf<Method extends MethodDefinition> = MessageOf<Method["requestType"]>;
export type ResponseOf<Method extends MethodDefinition> = MessageOf<Method["responseType"]>;

/** Encodes what may be a partial message. */
export function encodeMessage(type: MessageType, init: unknown): Uint8Array {
  return type.encode(type.fromPartial(init as never) as never).finish();
}
