/**
 * The server side of a ttrpc connection. Calls run concurrently, each ends with exactly one answer, and whatever one of
 * them sends or throws does not disturb the others. The memory that a client can make this process hold is bounded.
 */
import type { ByteStream } from "../../sys/os.ts";
import { abortError } from "../../util/abort.ts";
import { writeParts } from "../../util/bytes.ts";
import { isKumiteError, KumiteError, messageOf } from "../../util/errors.ts";
import { oneLine } from "../../util/text.ts";
import { Request } from "../gen/ttrpc/envelope.ts";
import type { ClientConnection } from "./call-context.ts";
import { responseParts } from "./envelope.ts";
import { type FrameHandler, type FrameHeader, FrameParser, frameFlag, frameType, maxDataLength } from "./frame.ts";
import { grpcCode } from "./grpc-code.ts";
import { MessageReader } from "./message-reader.ts";
import { ServerCall } from "./server-call.ts";
import { findMethod, type TtrpcService } from "./service-table.ts";
import { statusOfError, TtrpcError } from "./status.ts";

export interface ServerLimits {
  /** Calls of one connection in progress; more are refused. Default 1024, since waits block for a long time. */
  readonly maxCalls?: number;
  /** Total size of one connection's requests in progress, in bytes; more are refused. Default 32 MiB. */
  readonly maxRequestBytes?: number;
  /** Size of the answers that the client has not read, in bytes; above it, no more requests are read. Default 8 MiB. */
  readonly maxUnsentBytes?: number;
}

export interface ServeOptions {
  readonly limits?: ServerLimits;
  /**
   * Called once when the connection has ended: `protocol/closed`, or `protocol/violation` for a peer that broke the
   * protocol.
   */
  readonly onClose?: (reason: KumiteError) => void;
  /** Called for every failed call, for the log; the caller gets the error in any case. */
  readonly onError?: (call: string, error: unknown) => void;
  /** Replaces the error in the answer to a failed call: causes of an error reach the caller only as strings. */
  readonly explain?: (error: unknown) => unknown;
}

/** Takes ownership of the stream and serves it until it ends or the returned connection's `close` is called. */
export function serve(
  stream: ByteStream,
  services: readonly TtrpcService[],
  options: ServeOptions = {},
): ClientConnection {
  const server = new Server(stream, services, options);
  server.run();
  return server;
}

class Server implements ClientConnection, FrameHandler {
  readonly #stream: ByteStream;
  readonly #services: readonly TtrpcService[];
  readonly #options: ServeOptions;
  readonly #maxCalls: number;
  readonly #maxRequestBytes: number;
  readonly #maxUnsentBytes: number;
  readonly #life = new AbortController();
  #calls = 0;
  #requestBytes = 0;
  #unsentBytes = 0;
  #lastStreamId = 0;
  /** Set while reading waits until answers have been sent. */
  #onDrain: (() => void) | undefined;

  constructor(stream: ByteStream, services: readonly TtrpcService[], options: ServeOptions) {
    this.#stream = stream;
    this.#services = services;
    this.#options = options;
    this.#maxCalls = options.limits?.maxCalls ?? 1024;
    this.#maxRequestBytes = options.limits?.maxRequestBytes ?? 32 * 1024 * 1024;
    this.#maxUnsentBytes = options.limits?.maxUnsentBytes ?? 8 * 1024 * 1024;
  }

  get signal(): AbortSignal {
    return this.#life.signal;
  }

  close(): void {
    this.#end(new KumiteError("protocol/closed", "the connection was closed"));
  }

  run(): void {
    this.#readAll().then(
      () => this.#end(new KumiteError("protocol/closed", "the client closed the connection")),
      (error: unknown) => this.#end(lossOf(error)),
    );
  }

  #end(reason: KumiteError): void {
    if (this.signal.aborted) return;
    this.#life.abort(reason);
    this.#stream.close();
    this.#onDrain?.();
    this.#options.onClose?.(reason);
  }

  async #readAll(): Promise<void> {
    const parser = new FrameParser(this);
    for (let chunk = await this.#stream.read(); chunk !== undefined; chunk = await this.#stream.read()) {
      parser.push(chunk);
      for (let more = true; more; ) {
        more = parser.next();
        // When several calls have arrived together, let each answer first, so that answers are counted before more
        // calls are read.
        if (more && parser.buffered > 0) await Promise.resolve();
        while (this.#unsentBytes > this.#maxUnsentBytes && !this.signal.aborted) await this.#drained();
      }
    }
    parser.end();
  }

  onHeader(header: FrameHeader): boolean {
    const refusal = this.#refusal(header);
    if (refusal !== undefined) this.#answer(header.streamId, refusal);
    return refusal === undefined && header.type === frameType.request;
  }

  onFrame({ streamId }: FrameHeader, data: Uint8Array): void {
    this.#calls += 1;
    this.#requestBytes += data.length;
    const finished = (): void => {
      this.#calls -= 1;
      this.#requestBytes -= data.length;
    };
    this.#start(new ServerCall(this), data, (result, sent) => this.#answer(streamId, result, sent)).then(
      finished,
      finished,
    );
  }

  /** Why a frame is refused with an answer. Frames of unknown types are skipped without one. */
  #refusal({ length, streamId, type, flags }: FrameHeader): TtrpcError | undefined {
    if (type === frameType.data) {
      // The client may have sent data before it learned that the stream was refused.
      if (streamId <= this.#lastStreamId) return undefined;
      return new TtrpcError(grpcCode.invalidArgument, `stream ${streamId} is not open`);
    }
    if (type !== frameType.request) return undefined;
    if (streamId % 2 === 0) {
      return new TtrpcError(grpcCode.invalidArgument, `stream id ${streamId} is even; a client's ids are odd`);
    }
    if (streamId <= this.#lastStreamId) {
      return new TtrpcError(grpcCode.invalidArgument, `stream id ${streamId} was used before; ids must increase`);
    }
    this.#lastStreamId = streamId;
    if (length > maxDataLength) {
      return new TtrpcError(grpcCode.resourceExhausted, `the request of ${length} bytes is over ${maxDataLength}`);
    }
    if ((flags & frameFlag.remoteOpen) !== 0) {
      return new TtrpcError(grpcCode.unimplemented, "streaming calls are not served here");
    }
    if (this.#calls >= this.#maxCalls) {
      return new TtrpcError(grpcCode.resourceExhausted, `${this.#calls} calls of this connection are not done`);
    }
    if (this.#requestBytes + length > this.#maxRequestBytes) {
      return new TtrpcError(grpcCode.resourceExhausted, `requests of ${this.#requestBytes} bytes are not done`);
    }
    return undefined;
  }

  /**
   * Runs a call and answers it once. The returned promise settles when the handler does. A handler that ignores its
   * signal does not delay the answer, but counts as in progress until it settles.
   */
  #start(call: ServerCall, bytes: Uint8Array, answer: (result: Uint8Array | Error, sent: () => void) => void) {
    let name = "a request";
    const answerOnce = (result: Uint8Array | Error): void => {
      if (call.isOver) return;
      call.end();
      answer(result, () => call.markAnswered());
    };
    const fail = (error: unknown): void => {
      if (call.isOver) return;
      if (!this.signal.aborted) this.#options.onError?.(oneLine(name), error);
      const told = this.#options.explain?.(error) ?? error;
      answerOnce(told instanceof Error ? told : new Error(messageOf(told)));
    };
    call.onAbort(() => fail(abortError(call.signal)));
    try {
      const { service, method, payload, timeoutNano, metadata } = decodeEnvelope(bytes);
      name = `${service}/${method}`;
      const handle = findMethod(this.#services, service, method);
      call.begin(name, Number(timeoutNano) / 1e6, metadata);
      return handle(payload, call).then(answerOnce, fail);
    } catch (error) {
      fail(error);
      return Promise.resolve();
    }
  }

  #answer(streamId: number, result: Uint8Array | Error, sent: () => void = () => {}): void {
    if (this.signal.aborted) {
      sent();
      return;
    }
    const { parts, length } = answerParts(streamId, result);
    this.#unsentBytes += length;
    const left = (): void => {
      this.#unsentBytes -= length;
      this.#onDrain?.();
      sent();
    };
    writeParts(this.#stream, parts).then(left, (error: unknown) => {
      this.#end(lossOf(error));
      left();
    });
  }

  #drained(): Promise<void> {
    return new Promise((resolve) => {
      this.#onDrain = () => {
        this.#onDrain = undefined;
        resolve();
      };
    });
  }
}

function decodeEnvelope(bytes: Uint8Array): Request {
  try {
    return Request.decode(new MessageReader(bytes));
  } catch (error) {
    throw new TtrpcError(grpcCode.invalidArgument, `the request is malformed: ${messageOf(error)}`);
  }
}

function answerParts(streamId: number, result: Uint8Array | Error) {
  const none = new Uint8Array(0);
  if (result instanceof Error) return responseParts(streamId, { status: statusOfError(result) }, none);
  const answer = responseParts(streamId, { status: undefined }, result);
  if (answer.length <= maxDataLength) return answer;
  const tooLong = new TtrpcError(
    grpcCode.resourceExhausted,
    `the answer of ${answer.length} bytes is over ${maxDataLength}`,
  );
  return responseParts(streamId, { status: statusOfError(tooLong) }, none);
}

function lossOf(error: unknown): KumiteError {
  return isKumiteError(error) ? error : new KumiteError("protocol/closed", "the connection was lost", { cause: error });
}
