/**
 * The client side of a ttrpc connection: any number of concurrent calls over one byte stream. Knows nothing of message
 * types (see client.ts for typed calls).
 */
import type { ByteStream } from "../../sys/os.ts";
import { abortError, onAbort, raceAbort, throwIfAborted } from "../../util/abort.ts";
import { writeParts } from "../../util/bytes.ts";
import { deferred } from "../../util/deferred.ts";
import { isKumiteError, KumiteError, messageOf } from "../../util/errors.ts";
import { timerMs } from "../../util/timer.ts";
import { Response } from "../gen/ttrpc/envelope.ts";
import { type MessageParts, requestHead, requestParts } from "./envelope.ts";
import { type FrameHandler, type FrameHeader, FrameParser, frameType, maxDataLength } from "./frame.ts";
import { grpcCode } from "./grpc-code.ts";
import { firstStreamId, isSame, type SentCall } from "./sent-call.ts";
import { errorOfStatus, TtrpcError } from "./status.ts";

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  /** Also sent to the server; 0 or undefined means no limit. */
  readonly timeoutMs?: number | undefined;
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  /** A longer answer ends the connection before it is read. Default and maximum: 4 MiB. */
  readonly maxResponseBytes?: number | undefined;
}

interface PendingCall {
  readonly name: string;
  readonly maxResponseBytes: number;
  succeed(payload: Uint8Array): void;
  fail(error: unknown): void;
}

interface CallAhead {
  readonly sent: SentCall;
  readonly answer: Promise<Uint8Array>;
}

export class TtrpcConnection implements FrameHandler {
  /** Resolves with the reason when the connection is lost or closed. Never rejects. */
  readonly closed: Promise<KumiteError>;
  readonly #stream: ByteStream;
  readonly #pending = new Map<number, PendingCall>();
  #nextStreamId = firstStreamId;
  /** The call that was sent ahead, until it is made. */
  #ahead: CallAhead | undefined;
  #end: KumiteError | undefined;
  readonly #resolveClosed: (reason: KumiteError) => void;

  /**
   * Takes ownership of the stream.
   * @param sent a call whose request the peer has got, or will get, from elsewhere. It must be the first one that is
   * made.
   */
  constructor(stream: ByteStream, sent?: SentCall) {
    this.#stream = stream;
    if (sent !== undefined) this.#expect(sent);
    const closed = deferred<KumiteError>();
    this.closed = closed.promise;
    this.#resolveClosed = closed.resolve;
    this.#readAll().then(
      () => this.#lose(new KumiteError("protocol/closed", "the peer closed the connection")),
      (error: unknown) => this.#lose(lossOf(error)),
    );
  }

  /** Fails every pending call with `protocol/closed`. Idempotent. */
  close(): void {
    this.#lose(new KumiteError("protocol/closed", "the connection was closed"));
  }

  /**
   * Makes one call with encoded messages.
   * @throws TtrpcError when the peer answers with an error; KumiteError `timeout`, `aborted`; `protocol/closed` when
   * the connection is lost before the answer; `protocol/violation` when the peer violated the protocol
   */
  async call(service: string, method: string, payload: Uint8Array, options: CallOptions = {}): Promise<Uint8Array> {
    const { signal, metadata = {}, maxResponseBytes = maxDataLength } = options;
    const timeoutMs = timerMs(options.timeoutMs ?? 0);
    const name = `${service}/${method}`;
    throwIfAborted(signal);
    if (this.#end !== undefined) throw lossDuring(name, this.#end);

    const streamId = this.#nextStreamId;
    const head = requestHead(service, method, { timeoutMs, metadata });
    const ahead = this.#ahead;
    if (ahead !== undefined) return this.#takeAhead(ahead, requestParts(firstStreamId, head, payload), name, signal);
    const { parts, length } = requestParts(streamId, head, payload);
    if (length > maxDataLength) {
      throw new TtrpcError(
        grpcCode.resourceExhausted,
        `${name}: the request of ${length} bytes is over ${maxDataLength}`,
      );
    }
    if (streamId > maxStreamId) {
      this.#lose(new KumiteError("protocol/closed", "the connection has no stream id left"));
      throw lossDuring(name, this.#end);
    }
    this.#nextStreamId += 2;

    const answer = this.#await(streamId, name, { signal, timeoutMs, maxResponseBytes });
    writeParts(this.#stream, parts).catch((error: unknown) => this.#lose(lossOf(error)));
    return answer;
  }

  /** The answer may come before the call is made. */
  #expect(sent: SentCall): void {
    const { name, timeoutMs, maxResponseBytes } = sent;
    const answer = this.#await(this.#nextStreamId, name, { signal: undefined, timeoutMs, maxResponseBytes });
    answer.catch(() => {});
    this.#nextStreamId += 2;
    this.#ahead = { sent, answer };
  }

  #takeAhead(
    { sent, answer }: CallAhead,
    { parts }: MessageParts,
    name: string,
    signal: AbortSignal | undefined,
  ): Promise<Uint8Array> {
    this.#ahead = undefined;
    if (isSame(sent, parts)) return raceAbort(answer, signal);
    // The peer carries out something else than what is wanted.
    this.#lose(new KumiteError("internal", `${name} is called, but ${sent.name} was sent ahead, or with other values`));
    throw lossDuring(name, this.#end);
  }

  /** Settles with the answer, the timeout, the abort or the loss of the connection, whichever comes first. */
  #await(
    streamId: number,
    name: string,
    limits: { signal: AbortSignal | undefined; timeoutMs: number; maxResponseBytes: number },
  ): Promise<Uint8Array> {
    const { signal, timeoutMs, maxResponseBytes } = limits;
    const answer = deferred<Uint8Array>();
    const settle = (): void => {
      this.#pending.delete(streamId);
      if (timer !== undefined) clearTimeout(timer as never);
      forget();
    };
    const fail = (error: unknown): void => {
      settle();
      answer.reject(error);
    };
    const succeed = (payload: Uint8Array): void => {
      settle();
      answer.resolve(payload);
    };
    this.#pending.set(streamId, { name, maxResponseBytes, succeed, fail });
    const timer = timeoutMs > 0 ? setTimeout(() => fail(timedOut(name, timeoutMs)), timeoutMs) : undefined;
    const forget = onAbort(signal, () => fail(abortError(signal as AbortSignal)));
    return answer.promise;
  }

  async #readAll(): Promise<void> {
    const parser = new FrameParser(this);
    for (let chunk = await this.#stream.read(); chunk !== undefined; chunk = await this.#stream.read()) {
      parser.push(chunk);
      while (parser.next());
    }
    parser.end();
  }

  onHeader(header: FrameHeader): boolean {
    return this.#check(header) !== undefined;
  }

  onFrame({ streamId }: FrameHeader, data: Uint8Array): void {
    const call = this.#pending.get(streamId);
    // The call may have timed out or been aborted since the header arrived.
    if (call !== undefined) settleCall(call, data);
  }

  /** The call that this frame answers; `undefined` for a frame to be skipped. */
  #check({ length, streamId, type }: FrameHeader): PendingCall | undefined {
    const call = this.#pending.get(streamId);
    const limit = call?.maxResponseBytes ?? maxDataLength;
    if (length > limit) throw violation(`a frame of ${length} bytes where at most ${limit} are allowed`);
    switch (type) {
      case frameType.response:
        // A late answer to a call that timed out or was aborted is legal, an answer to a call that was never made is
        // not.
        if (streamId % 2 === 1 && streamId < this.#nextStreamId) return call;
        throw violation(`an answer to stream ${streamId}, which was never opened`);
      case frameType.request:
      case frameType.data:
        throw violation(`a frame of type ${type}, which only a client or an open stream may send`);
      default:
        return undefined;
    }
  }

  #lose(reason: KumiteError): void {
    if (this.#end !== undefined) return;
    this.#end = reason;
    this.#stream.close();
    for (const call of [...this.#pending.values()]) call.fail(lossDuring(call.name, reason));
    this.#resolveClosed(reason);
  }
}

/** Stream ids have 32 bits and are never reused. */
const maxStreamId = 0xffff_ffff;

function settleCall(call: PendingCall, bytes: Uint8Array): void {
  let response: Response;
  try {
    response = Response.decode(bytes);
  } catch (error) {
    call.fail(new KumiteError("protocol/violation", `${call.name}: the answer is malformed: ${messageOf(error)}`));
    return;
  }
  const { status, payload } = response;
  if (status === undefined || status.code === grpcCode.ok) call.succeed(payload);
  else call.fail(errorOfStatus(status));
}

function timedOut(name: string, timeoutMs: number): KumiteError {
  return new KumiteError("timeout", `${name}: no answer within ${timeoutMs} ms`, { data: { timeoutMs } });
}

function violation(what: string): KumiteError {
  return new KumiteError("protocol/violation", `the peer sent ${what}`);
}

function lossOf(error: unknown): KumiteError {
  return isKumiteError(error) ? error : new KumiteError("protocol/closed", "the connection was lost", { cause: error });
}

function lossDuring(name: string, reason: KumiteError | undefined): KumiteError {
  return new KumiteError(reason?.code ?? "protocol/closed", `${name}: no answer`, { cause: reason });
}
