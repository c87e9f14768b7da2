/**
 * The types that make a typed client or a typed implementation of a generated service definition. They describe only
 * the shapes that ts-proto generates; there is no code.
 */

/** What ts-proto generates for a message, as far as it is used here. */
export interface MessageType {
  encode(message: never): { finish(): Uint8Array };
  decode(bytes: Uint8Array): unknown;
  fromPartial(init: never): unknown;
}

export interface MethodDefinition {
  /** Name on the wire, for example `CreateContainer`. */
  readonly name: string;
  readonly requestType: MessageType;
  readonly requestStream: boolean;
  readonly responseType: MessageType;
  readonly responseStream: boolean;
}

export interface ServiceDefinition {
  /** Name on the wire, for example `grpc.AgentService`. */
  readonly fullName: string;
  readonly methods: Readonly<Record<string, MethodDefinition>>;
}

/** The message of a message type. */
export type MessageOf<Type> = Type extends { decode(bytes: Uint8Array): infer Message } ? Message : never;

/** A message whose fields are all optional, at every depth. A missing field has its protobuf default. */
export type MessageInit<Message> = Message extends bigint | string | number | boolean | Uint8Array | undefined
  ? Message
  : Message extends ReadonlyMap<unknown, unknown>
    ? Message
    : Message extends readonly (infer Element)[]
      ? readonly MessageInit<Element>[]
      : { readonly [Field in keyof Message]?: MessageInit<Message[Field]> | undefined };

export type RequestOf<Method extends MethodDefinition> = MessageOf<Method["requestType"]>;
export type ResponseOf<Method extends MethodDefinition> = MessageOf<Method["responseType"]>;

/** Encodes a message, which may be partial. */
export function encodeMessage(type: MessageType, init: unknown): Uint8Array {
  return type.encode(type.fromPartial(init as never) as never).finish();
}
