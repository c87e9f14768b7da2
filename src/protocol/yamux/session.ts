/**
 * A yamux session: many byte streams over one carrier. Either side may open streams. The memory that a peer can make
 * this process hold is bounded: by a window for each stream, by the number of streams, by a common budget for extra
 * windows, and by a limit on unread frames sent in answer to the peer's.
 */
import type { ByteStream, PipedBytes } from "../../sys/os.ts";
import { delay, raceAbort } from "../../util/abort.ts";
import { withDeadline } from "../../util/deadline.ts";
import { deferred } from "../../util/deferred.ts";
import { isKumiteError, KumiteError } from "../../util/errors.ts";
import { Queue } from "../../util/queue.ts";
import {
  encodeHeader,
  type FrameHandler,
  type FrameHeader,
  FrameParser,
  frameFlag,
  frameType,
  goAwayCode,
  initialWindowBytes,
} from "./frame.ts";
import type { YamuxOptions } from "./options.ts";
import { Outgoing } from "./outgoing.ts";
import { Pings } from "./pings.ts";
import { greetingPing, type SessionState } from "./session-state.ts";
import { type StreamSession, YamuxStream } from "./stream.ts";

export class YamuxSession {
  /** Resolves with the reason when the session is over. Never rejects. */
  readonly closed: Promise<KumiteError>;
  readonly #core: SessionCore;

  /** Takes ownership of the carrier. */
  constructor(carrier: ByteStream, options: YamuxOptions) {
    this.#core = new SessionCore(carrier, options);
    this.closed = this.#core.closed.promise;
    this.#core.run();
  }

  /**
   * Opens a stream, which can be used at once. If the peer refuses it, reads and writes fail with ECONNRESET.
   * @throws KumiteError `protocol/closed` when the session is over or the peer accepts no more streams
   */
  open(): ByteStream {
    return this.#core.open();
  }

  /** The next stream that the peer has opened; `undefined` when the session is over. */
  accept(signal?: AbortSignal): Promise<ByteStream | undefined> {
    return this.#core.accepted.next(signal);
  }

  /** Resolves when the peer has answered. */
  ping(signal?: AbortSignal): Promise<void> {
    return raceAbort(this.#core.ping(), signal);
  }

  /**
   * Holds everything that would be sent, until the returned function is called. Resolves when the peer has read
   * everything sent before, so the next bytes it reads are the beginning of a frame, whoever sends it.
   * @throws KumiteError `aborted`, or the reason of a session that ends; then nothing is held any more
   */
  quiesce(signal?: AbortSignal): Promise<() => void> {
    return this.#core.quiesce(signal);
  }

  /**
   * Suspends the session and returns its state, with which another process can resume it. Nothing is sent any more, and
   * the peer has read everything sent before. The caller must then close the carrier and not the session, which would
   * send a go-away frame.
   * @throws KumiteError `internal` if a stream is not idle; `aborted`; the reason when the session ends
   */
  async suspend(signal?: AbortSignal): Promise<SessionState> {
    await this.#core.quiesce(signal);
    return this.#core.state();
  }

  /** Resolves when the peer has answered the greeting of a resumed session. */
  greeted(signal?: AbortSignal): Promise<void> {
    return raceAbort(this.#core.greeted, signal);
  }

  /**
   * Returns a stream of the resumed session.
   * @throws KumiteError `internal` if there is no such stream
   */
  resumed(streamId: number): ByteStream {
    return this.#core.resumed(streamId);
  }

  /** Whether the peer has ended this session because it wants a new one on the same carrier. */
  get replaced(): boolean {
    return this.#core.replaced;
  }

  /** Sends a go-away frame and ends all streams at once. Idempotent. */
  close(): void {
    this.#core.lose(new KumiteError("protocol/closed", "the session was closed"), goAwayCode.normal);
  }
}

/** Limit of streams that the peer has opened and nobody has accepted; more are refused. */
const maxUnaccepted = 256;

/** Limit of unsent frames that answer the peer's frames. A peer that causes more is flooding. */
const maxUnsentAnswers = 1024;

const maxStreamId = 0xffff_ffff;

class SessionCore implements FrameHandler, StreamSession {
  readonly closed = deferred<KumiteError>();
  greeted: Promise<void> = Promise.resolve();
  readonly accepted = new Queue<ByteStream>();
  readonly sendPiped?: (streamId: number, bytes: PipedBytes) => Promise<void>;
  readonly #carrier: ByteStream;
  readonly #parser = new FrameParser(this);
  readonly #streams = new Map<number, YamuxStream>();
  readonly #acceptStreams: boolean;
  readonly #maxStreams: number;
  readonly #extraWindow: number;
  readonly #keepAliveMs: number;
  #extraBudget: number;
  readonly #ownParity: number;
  #nextId: number;
  #lastPeerId = 0;
  /** The stream that gets the payload of the current data frame; `undefined` discards it. */
  #target: YamuxStream | undefined;
  readonly #outgoing: Outgoing;
  replaced = false;
  #unsentAnswers = 0;
  readonly #pings = new Pings();
  #peerLeaves = false;
  #end: KumiteError | undefined;
  readonly #life = new AbortController();

  constructor(carrier: ByteStream, options: YamuxOptions) {
    this.#carrier = carrier;
    this.#acceptStreams = options.acceptStreams ?? options.role === "server";
    this.#maxStreams = options.maxStreams ?? 512;
    this.#extraWindow = Math.max(0, (options.receiveWindowBytes ?? initialWindowBytes) - initialWindowBytes);
    this.#extraBudget = options.extraWindowBudgetBytes ?? 16 * 1024 * 1024;
    this.#keepAliveMs = options.keepAliveMs ?? 0;
    this.#nextId = options.role === "client" ? 1 : 2;
    this.#ownParity = this.#nextId % 2;
    this.#outgoing = new Outgoing(carrier, (error) => this.lose(lossOf(error)));
    const { writePiped } = this.#outgoing;
    if (writePiped !== undefined) this.sendPiped = writePiped;
    if (options.resumes !== undefined) this.#resume(options.resumes);
  }

  #resume({ nextId, lastPeerId, streams }: SessionState): void {
    this.#nextId = nextId;
    this.#lastPeerId = lastPeerId;
    this.greeted = this.#pings.expect(greetingPing);
    // Keeps a rejection from counting as unhandled if nobody awaits the promise.
    this.greeted.catch(() => {});
    for (const state of streams) {
      this.#extraBudget -= state.extraWindow;
      this.#streams.set(state.id, new YamuxStream(this, state.id, state.extraWindow, state));
    }
  }

  state(): SessionState {
    if (this.accepted.length > 0) throw new KumiteError("internal", "the session has streams that nobody has accepted");
    const streams = [...this.#streams.values()].map(({ state }) => state);
    return { nextId: this.#nextId, lastPeerId: this.#lastPeerId, streams };
  }

  resumed(streamId: number): ByteStream {
    const stream = this.#streams.get(streamId);
    if (stream === undefined) throw new KumiteError("internal", `the resumed session has no stream ${streamId}`);
    return stream;
  }

  run(): void {
    this.#receiveAll().then(
      () => this.lose(new KumiteError("protocol/closed", "the peer closed the connection")),
      (error: unknown) => this.lose(lossOf(error), goAwayCode.protocolError),
    );
    if (this.#keepAliveMs > 0) this.#keepAlive().catch((error: unknown) => this.lose(lossOf(error)));
  }

  open(): ByteStream {
    if (this.#end !== undefined) {
      throw new KumiteError("protocol/closed", "no stream can be opened: the session is over", { cause: this.#end });
    }
    if (this.#peerLeaves || this.#nextId > maxStreamId) {
      throw new KumiteError("protocol/closed", "no stream can be opened: the peer accepts no more");
    }
    if (this.#streams.size >= this.#maxStreams) {
      throw new KumiteError("protocol/closed", `no stream can be opened: ${this.#streams.size} are already open`);
    }
    const id = this.#nextId;
    this.#nextId += 2;
    return this.#add(id, frameFlag.syn);
  }

  async ping(): Promise<void> {
    if (this.#end !== undefined) throw this.#end;
    const { value, answered } = this.#pings.make();
    void this.#outgoing.write([encodeHeader(frameType.ping, frameFlag.syn, 0, value)]);
    return answered;
  }

  async quiesce(signal?: AbortSignal): Promise<() => void> {
    if (this.#outgoing.isHeld) throw new KumiteError("internal", "the session is already quiet");
    const answer = this.ping();
    void this.#outgoing.flush();
    const release = this.#outgoing.hold();
    try {
      await raceAbort(answer, signal);
      return release;
    } catch (error) {
      release();
      throw error;
    }
  }

  /** @param code sent to the peer before the carrier is closed, if it still reads */
  lose(reason: KumiteError, code?: number): void {
    if (this.#end !== undefined) return;
    this.#end = reason;
    this.#outgoing.end(code === undefined ? [] : [encodeHeader(frameType.goAway, 0, 0, code)]);
    this.#carrier.close();
    this.#life.abort(reason);
    for (const stream of [...this.#streams.values()]) stream.fail(reason);
    for (const stream of this.accepted.drain()) stream.close();
    this.#pings.fail(reason);
    this.closed.resolve(reason);
  }

  // The interface for streams.

  sendData(streamId: number, flags: number, parts: readonly Uint8Array[], length: number): Promise<void> {
    return this.#outgoing.write([encodeHeader(frameType.data, flags, streamId, length), ...parts]);
  }

  sendWindowUpdate(streamId: number, flags: number, delta: number): Promise<void> {
    return this.#outgoing.write([encodeHeader(frameType.windowUpdate, flags, streamId, delta)]);
  }

  forget(streamId: number): void {
    const stream = this.#streams.get(streamId);
    if (stream === undefined) return;
    this.#streams.delete(streamId);
    this.#extraBudget += stream.extraWindow;
  }

  // The interface for the parser.

  onHeader(header: FrameHeader): void {
    const { version, type, flags, streamId } = header;
    if (version !== 0) throw violation(`a frame of version ${version}; only 0 is known`);
    if ((flags & ~knownFlags) !== 0) throw violation(`a frame with unknown flags 0x${flags.toString(16)}`);
    switch (type) {
      case frameType.data:
        if (streamId === 0) throw violation("data for the session itself");
        this.#target = this.#dataTarget(header);
        return;
      case frameType.windowUpdate:
        if (streamId === 0) throw violation("a window update for the session itself");
        this.#find(header)?.widen(header.length);
        return;
      case frameType.ping:
        this.#onPing(header);
        return;
      case frameType.goAway:
        this.#onGoAway(header);
        return;
      default:
        throw violation(`a frame of unknown type ${type}`);
    }
  }

  onPayload(part: Uint8Array): void {
    this.#target?.deliver(part);
  }

  onEnd({ flags, streamId }: FrameHeader): void {
    this.#target = undefined;
    if (streamId === 0 || (flags & (frameFlag.fin | frameFlag.rst)) === 0) return;
    const stream = this.#streams.get(streamId);
    if ((flags & frameFlag.fin) !== 0) stream?.endRemote();
    if ((flags & frameFlag.rst) !== 0) stream?.fail(new KumiteError("protocol/closed", "the peer reset the stream"));
  }

  /** The stream that gets the payload. A frame for a stream that no longer exists is answered with a reset. */
  #dataTarget(header: FrameHeader): YamuxStream | undefined {
    const { flags, streamId, length } = header;
    const stream = this.#find(header);
    if (stream !== undefined) {
      stream.expect(length);
      return stream;
    }
    const window = initialWindowBytes + this.#extraWindow;
    if (length > window) throw violation(`${length} bytes for stream ${streamId}, more than any window allows`);
    const wantsReset = (flags & (frameFlag.syn | frameFlag.rst)) === 0 && length > 0;
    if (wantsReset) this.#answer(frameType.windowUpdate, frameFlag.rst, streamId, 0);
    return undefined;
  }

  /** The stream of a frame, created if the frame opens one; `undefined` if it is refused or no longer exists. */
  #find({ flags, streamId }: FrameHeader): YamuxStream | undefined {
    if ((flags & frameFlag.syn) !== 0) return this.#admit(streamId);
    const stream = this.#streams.get(streamId);
    if (stream !== undefined) return stream;
    const wasOpen = this.#isOwn(streamId) ? streamId < this.#nextId : streamId <= this.#lastPeerId;
    if (!wasOpen) throw violation(`a frame for stream ${streamId}, which was never opened`);
    return undefined;
  }

  #admit(streamId: number): YamuxStream | undefined {
    if (this.#isOwn(streamId)) throw violation(`an opening of stream ${streamId}, whose number only this side may use`);
    if (streamId <= this.#lastPeerId) throw violation(`a second opening of stream ${streamId}`);
    this.#lastPeerId = streamId;
    if (!this.#acceptStreams || this.accepted.length >= maxUnaccepted || this.#streams.size >= this.#maxStreams) {
      this.#answer(frameType.windowUpdate, frameFlag.rst, streamId, 0);
      return undefined;
    }
    const stream = this.#add(streamId, frameFlag.ack);
    this.accepted.push(stream);
    return stream;
  }

  /** Creates a stream and announces it, or acknowledges the peer's, with its window beyond the initial one. */
  #add(id: number, flag: number): YamuxStream {
    const extraWindow = Math.min(this.#extraWindow, this.#extraBudget);
    this.#extraBudget -= extraWindow;
    const stream = new YamuxStream(this, id, extraWindow);
    this.#streams.set(id, stream);
    if (flag === frameFlag.syn) void this.sendWindowUpdate(id, flag, extraWindow);
    else this.#answer(frameType.windowUpdate, flag, id, extraWindow);
    return stream;
  }

  #isOwn(streamId: number): boolean {
    return streamId % 2 === this.#ownParity;
  }

  #onPing({ flags, streamId, length }: FrameHeader): void {
    if (streamId !== 0) throw violation(`a ping for stream ${streamId}`);
    if ((flags & frameFlag.syn) !== 0) {
      this.#answer(frameType.ping, frameFlag.ack, 0, length);
      return;
    }
    this.#pings.take(length);
  }

  #onGoAway({ streamId, length }: FrameHeader): void {
    if (streamId !== 0) throw violation(`a go-away frame for stream ${streamId}`);
    if (length === goAwayCode.replaced) this.replaced = true;
    if (length !== goAwayCode.normal) {
      throw new KumiteError("protocol/closed", `the peer ended the session with error ${length}`);
    }
    this.#peerLeaves = true;
  }

  /** Sends a frame in answer to one of the peer's. */
  #answer(type: number, flags: number, streamId: number, length: number): void {
    if (this.#unsentAnswers >= maxUnsentAnswers) {
      throw violation(`${this.#unsentAnswers} frames that need an answer and reads none of the answers`);
    }
    this.#unsentAnswers += 1;
    void this.#outgoing.write([encodeHeader(type, flags, streamId, length)]).then(() => {
      this.#unsentAnswers -= 1;
    });
  }

  async #receiveAll(): Promise<void> {
    for (let chunk = await this.#carrier.read(); chunk !== undefined; chunk = await this.#carrier.read()) {
      this.#parser.feed(chunk);
    }
    if (!this.#parser.betweenFrames) throw violation("the end of the connection in the middle of a frame");
  }

  async #keepAlive(): Promise<void> {
    while (!this.#life.signal.aborted) {
      await delay(this.#keepAliveMs, this.#life.signal);
      await withDeadline(this.#keepAliveMs, "the answer to a ping", () => this.ping(), this.#life.signal);
    }
  }
}

const knownFlags = frameFlag.syn | frameFlag.ack | frameFlag.fin | frameFlag.rst;

function violation(what: string): KumiteError {
  return new KumiteError("protocol/violation", `the peer sent ${what}`);
}

function lossOf(error: unknown): KumiteError {
  return isKumiteError(error) ? error : new KumiteError("protocol/closed", "the connection was lost", { cause: error });
}
