/**
 * The server's end of a ttrpc connection. Calls run side by side, each ends with exactly one answer, and nothing that
 * one of them sends or throws disturbs the others. What a client can make this process hold is bounded.
 */
import type { ByteStream } from "../../sys/os.ts";
import { linked, raceAbort } from "../../util/abort.ts";
import { ByteReader } from "../../util/byte-reader.ts";
import { writeParts } from "../../util/bytes.ts";
import { deferred } from "../../util/deferred.ts";
import { isKumiteError, KumiteError, messageOf } from "../../util/errors.ts";
import { oneLine } from "../../util/text.ts";
import { timerMs } from "../../util/timer.ts";
import { Request } from "../gen/ttrpc/envelope.ts";
import type { ClientConnection } from "./call-context.ts";
import { responseParts } from "./envelope.ts";
import { type FrameHeader, frameFlag, frameType, maxDataLength, readHeader } from "./frame.ts";
import { grpcCode } from "./grpc-code.ts";
import { findMethod, type TtrpcService } from "./service-table.ts";
import { statusOfError, TtrpcError } from "./status.ts";

export interface ServerLimits {
  /** Calls of one connection that are not answered yet; more are refused. Default 1024, as waits block for long. */
  readonly maxCalls?: number;
  /** Requests of one connection whose handlers run, in bytes; more are refused. Default 32 MiB. */
  readonly maxRequestBytes?: number;
  /** Answers that the client has not read; beyond that its calls are not read either. Default 8 MiB. */
  readonly maxUnsentBytes?: number;
}

export interface ServeOptions {
  readonly limits?: ServerLimits;
  /** Called once, when the connection is over: `protocol/closed`, or `protocol/violation` for a peer that broke the rules. */
  readonly onClose?: (reason: KumiteError) => void;
  /** Told of every call that failed, for the log; the caller gets the error anyway. */
  readonly onError?: (call: string, error: unknown) => void;
}

/** Serves the stream, which belongs to the server from here on, until it ends or the result's `close` is called. */
export function serve(
  stream: ByteStream,
  services: readonly TtrpcService[],
  options: ServeOptions = {},
): ClientConnection {
  const server = new Server(stream, services, options);
  server.run();
  return server;
}

class Server implements ClientConnection {
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
  /** Set while reading waits for answers to leave. */
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
    const reader = new ByteReader(this.#stream);
    for (let header = await readHeader(reader); header !== undefined; header = await readHeader(reader)) {
      const refusal = this.#refusal(header);
      if (refusal !== undefined || header.type !== frameType.request) {
        await reader.skip(header.length);
        if (refusal !== undefined) await this.#answer(header.streamId, refusal);
        continue;
      }
      const bytes = await reader.readExactly(header.length);
      void this.#handle(header.streamId, bytes);
      while (this.#unsentBytes > this.#maxUnsentBytes && !this.signal.aborted) await this.#drained();
    }
  }

  /** Why a frame is refused with an answer; frames of unknown types are skipped without one. */
  #refusal({ length, streamId, type, flags }: FrameHeader): TtrpcError | undefined {
    if (type === frameType.data) {
      // What was sent on a stream that was refused may still be on its way.
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

  /** Runs one call and answers it. Never rejects. */
  async #handle(streamId: number, bytes: Uint8Array): Promise<void> {
    const answered = deferred();
    this.#calls += 1;
    this.#requestBytes += bytes.length;
    const call = this.#start(bytes, answered.promise);
    await this.#answer(streamId, await call.result);
    answered.resolve();
    // The answer did not wait for a handler that ignores its signal, but such a call goes on counting.
    await call.finished;
    this.#calls -= 1;
    this.#requestBytes -= bytes.length;
  }

  /** `result` is the payload of the answer or the error that is the answer; neither promise rejects. */
  #start(bytes: Uint8Array, answered: Promise<void>): { result: Promise<Uint8Array | Error>; finished: Promise<void> } {
    const scope = linked(this.signal);
    let name = "a request";
    let timer: unknown;
    const run = async (): Promise<Uint8Array> => {
      const { service, method, payload, timeoutNano, metadata } = decodeEnvelope(bytes);
      name = oneLine(`${service}/${method}`);
      const timeoutMs = Number(timeoutNano) / 1e6;
      if (timeoutMs > 0) timer = setTimeout(() => scope.abort(timedOut(name, timeoutMs)), timerMs(timeoutMs));
      const handle = findMethod(this.#services, service, method);
      return handle(payload, {
        signal: scope.signal,
        connection: this,
        metadata: new Map(metadata.map(({ key, value }) => [key, value])),
        answered,
      });
    };
    const work = run();
    const finish = (): void => {
      clearTimeout(timer as never);
      scope.unlink();
    };
    const fail = (error: unknown): Error => {
      if (!this.signal.aborted) this.#options.onError?.(name, error);
      return error instanceof Error ? error : new Error(messageOf(error));
    };
    return { result: raceAbort(work, scope.signal).catch(fail), finished: work.then(finish, finish) };
  }

  async #answer(streamId: number, result: Uint8Array | Error): Promise<void> {
    if (this.signal.aborted) return;
    const { parts, length } = answerParts(streamId, result);
    this.#unsentBytes += length;
    try {
      await writeParts(this.#stream, parts);
    } catch (error) {
      this.#end(lossOf(error));
    } finally {
      this.#unsentBytes -= length;
      this.#onDrain?.();
    }
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
    return Request.decode(bytes);
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

function timedOut(name: string, timeoutMs: number): KumiteError {
  return new KumiteError("timeout", `${name}: not done within ${timeoutMs} ms`, { data: { timeoutMs } });
}

function lossOf(error: unknown): KumiteError {
  return isKumiteError(error) ? error : new KumiteError("protocol/closed", "the connection was lost", { cause: error });
}
