/**
 * Sends the frames of a session: in order, those of one turn of the event loop in a single write, and none while
 * sending is held. Knows nothing of streams.
 */
import type { ByteStream, PipedBytes } from "../../sys/os.ts";
import { writeParts } from "../../util/bytes.ts";
import { type Deferred, deferred } from "../../util/deferred.ts";
import { encodeHeader, frameType } from "./frame.ts";

const soon = Promise.resolve();

export class Outgoing {
  /** Sends a data frame with bytes from a pipe, which this process never sees. Only if the carrier supports this. */
  readonly writePiped?: (streamId: number, bytes: PipedBytes) => Promise<void>;
  readonly #carrier: ByteStream;
  readonly #onLoss: (error: unknown) => void;
  /** Frames of this turn, and the promise that they have been sent. */
  readonly #said: Uint8Array[] = [];
  #leaving: Promise<void> | undefined;
  /** Resolves when the carrier has taken everything given to it so far. */
  #left = soon;
  /** Set while nothing may be sent. */
  #held: Deferred | undefined;

  /** @param onLoss called when the carrier fails to take something */
  constructor(carrier: ByteStream, onLoss: (error: unknown) => void) {
    this.#carrier = carrier;
    this.#onLoss = onLoss;
    const { piped } = carrier;
    if (piped === undefined) return;
    this.writePiped = (streamId, bytes) => {
      const send = (): Promise<void> => {
        void this.flush();
        return this.#taken(piped.write(bytes, encodeHeader(frameType.data, 0, streamId, bytes.length)));
      };
      return this.#held === undefined ? send() : this.#held.promise.then(send);
    };
  }

  /**
   * Sends all frames of one turn together: over a virtio port, each write wakes the host. The promise is shared by all
   * of them. It resolves when the carrier has taken them and never rejects, since a failing carrier ends the session.
   */
  write(parts: readonly Uint8Array[]): Promise<void> {
    this.#said.push(...parts);
    this.#leaving ??= soon.then(() => this.flush());
    return this.#leaving;
  }

  /** Sends at once what waits for the end of the turn. */
  flush(): Promise<void> {
    if (this.#held !== undefined) return this.#held.promise.then(() => this.flush());
    this.#leaving = undefined;
    if (this.#said.length > 0) this.#left = this.#taken(writeParts(this.#carrier, this.#said.splice(0)));
    return this.#left;
  }

  get isHeld(): boolean {
    return this.#held !== undefined;
  }

  /** Holds everything from now on until the returned function is called. Must not be called while sending is held. */
  hold(): () => void {
    const held = deferred();
    this.#held = held;
    return () => {
      if (this.#held === held) this.#release();
    };
  }

  /** Sends the last frames, even if sending is held. */
  end(parts: readonly Uint8Array[]): void {
    this.#said.push(...parts);
    this.#release();
    void this.flush();
  }

  #release(): void {
    this.#held?.resolve();
    this.#held = undefined;
  }

  async #taken(written: Promise<void>): Promise<void> {
    try {
      await written;
    } catch (error) {
      this.#onLoss(error);
    }
  }
}
