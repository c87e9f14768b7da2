/**
 * The streams of one process between its relay and the guest. A stream runs once both of its ends are connected, in
 * either order. A slow reader slows the writer down: only the pieces in flight are buffered here.
 */
import type { ByteStream } from "../sys/os.ts";
import { delay } from "../util/abort.ts";
import { deferred } from "../util/deferred.ts";
import { KumiteError } from "../util/errors.ts";

export type StdioName = "stdin" | "stdout" | "stderr";

/** The guest's ends of the streams that a process has. */
export type GuestStreams = { readonly [Name in StdioName]?: ByteStream };

export interface DrainLimits {
  /**
   * How long the guest may be silent, after the process has ended, on a stream that is still open. Another process then
   * holds the stream, such as a daemon that the process left behind, and is not waited for.
   */
  readonly silenceMs: number;
  /** How long the relay may take to connect a stream. */
  readonly relayMs: number;
  /** More than can be in flight from a process that has ended; output beyond that is another process's. */
  readonly bytes: number;
}

export const defaultDrainLimits: DrainLimits = { silenceMs: 5000, relayMs: 10_000, bytes: 16 * 1024 * 1024 };

export class ProcessStdio {
  readonly #input = new Meeting();
  readonly #outputs: ReadonlyMap<"stdout" | "stderr", Output>;
  #closed = false;

  /** With a terminal there is no separate stderr. */
  constructor(terminal: boolean) {
    const names = terminal ? (["stdout"] as const) : (["stdout", "stderr"] as const);
    this.#outputs = new Map(names.map((name) => [name, new Output()]));
    void pumpInput(this.#input);
  }

  /** Throws if the relay cannot have a stream: it does not exist, is connected already, or has ended. */
  checkRelay(name: StdioName): void {
    const meeting = this.#meetingOf(name);
    if (meeting === undefined)
      throw new KumiteError("protocol/violation", `there is no ${name}: the process has a terminal`);
    if (this.#closed) throw new KumiteError("process/not-found", `the process has ended: its ${name} is closed`);
    if (meeting.hasRelay) throw new KumiteError("protocol/violation", `${name} is already connected`);
  }

  /** Takes over the relay's end of a stream. If the relay cannot have the stream, its end is closed. */
  offerRelay(name: StdioName, connection: ByteStream): void {
    const meeting = this.#meetingOf(name);
    if (meeting === undefined || meeting.hasRelay) connection.close();
    else meeting.offerRelay(connection);
  }

  /** A stream that the guest did not open ends at once for the relay. */
  offerGuest(streams: GuestStreams): void {
    for (const name of ["stdin", "stdout", "stderr"] as const) {
      this.#meetingOf(name)?.offerGuest(streams[name]);
      if (this.#meetingOf(name) === undefined) streams[name]?.close();
    }
  }

  /** Input that the relay sends from now on is dropped. */
  async endInput(): Promise<void> {
    await (await this.#input.guest)?.end();
  }

  /** Resolves when all output has been delivered to the relay, or a limit is exceeded. */
  async drain(limits: DrainLimits = defaultDrainLimits): Promise<void> {
    await Promise.all([...this.#outputs.values()].map((output) => output.drain(limits)));
  }

  /** Closes both ends of every stream. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#input.close();
    for (const output of this.#outputs.values()) output.meeting.close();
  }

  #meetingOf(name: StdioName): Meeting | undefined {
    return name === "stdin" ? this.#input : this.#outputs.get(name)?.meeting;
  }
}

/** Brings the two ends of one stream together. An end that arrives after `close` is closed, too. */
class Meeting {
  readonly #relay = deferred<ByteStream | undefined>();
  readonly #guest = deferred<ByteStream | undefined>();
  #ends: ByteStream[] = [];
  #hasRelay = false;
  #closed = false;

  get hasRelay(): boolean {
    return this.#hasRelay;
  }

  offerRelay(connection: ByteStream): void {
    this.#hasRelay = true;
    this.#keep(connection);
    this.#relay.resolve(connection);
  }

  offerGuest(stream: ByteStream | undefined): void {
    if (stream !== undefined) this.#keep(stream);
    this.#guest.resolve(stream);
  }

  get relay(): Promise<ByteStream | undefined> {
    return this.#relay.promise;
  }

  get guest(): Promise<ByteStream | undefined> {
    return this.#guest.promise;
  }

  close(): void {
    this.#closed = true;
    for (const end of this.#ends.splice(0)) end.close();
    this.#relay.resolve(undefined);
    this.#guest.resolve(undefined);
  }

  #keep(end: ByteStream): void {
    if (this.#closed) end.close();
    else this.#ends.push(end);
  }
}

/** The copying of stdout or stderr. */
class Output {
  readonly meeting = new Meeting();
  /** What the copying is waiting for. */
  #waitsFor: "relay" | "guest" | "reader" = "relay";
  #bytes = 0;
  #maxBytes = Number.POSITIVE_INFINITY;
  readonly #done: Promise<void>;

  constructor() {
    this.#done = this.#copy();
  }

  async drain({ silenceMs, relayMs, bytes }: DrainLimits): Promise<void> {
    this.#maxBytes = this.#bytes + bytes;
    const over = new AbortController();
    const done = this.#done.then(() => over.abort());
    while (!over.signal.aborted) {
      const [waitsFor, before] = [this.#waitsFor, this.#bytes];
      await delay(waitsFor === "relay" ? relayMs : silenceMs, over.signal).catch(() => {});
      // A slow reader is waited for. If the reader is gone, the copying ends with an error.
      if (this.#waitsFor === waitsFor && this.#bytes === before && waitsFor !== "reader") break;
    }
    this.meeting.close();
    await done;
  }

  /** Never rejects: when one end breaks, the other is closed, so that it notices. */
  async #copy(): Promise<void> {
    const [relay, guest] = await Promise.all([this.meeting.relay, this.meeting.guest]);
    try {
      if (relay !== undefined && guest !== undefined) await this.#copyAll(guest, relay);
      await relay?.end();
    } catch {
      // Not reported: the relay's end is watched by its own connection, the guest's by the agent's.
    }
    guest?.close();
    relay?.close();
  }

  async #copyAll(guest: ByteStream, relay: ByteStream): Promise<void> {
    this.#waitsFor = "guest";
    let reading = guest.read();
    for (let piece = await reading; piece !== undefined; piece = await reading) {
      this.#bytes += piece.length;
      if (this.#bytes > this.#maxBytes) return;
      // The next piece is read while this one is written.
      reading = guest.read();
      reading.catch(() => {});
      this.#waitsFor = "reader";
      await relay.write(piece);
      this.#waitsFor = "guest";
    }
  }
}

/**
 * The end of the relay's input ends the process's input. When the process takes no more input, the relay's end is
 * closed.
 */
async function pumpInput(meeting: Meeting): Promise<void> {
  const [relay, guest] = await Promise.all([meeting.relay, meeting.guest]);
  try {
    if (relay !== undefined && guest !== undefined) {
      for (let piece = await relay.read(); piece !== undefined; piece = await relay.read()) await guest.write(piece);
    }
    if (guest === undefined) relay?.close();
    await guest?.end();
  } catch {
    // It is no error if a process closes its input.
    guest?.close();
    relay?.close();
  }
}
