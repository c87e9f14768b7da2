/**
 * What leaves a session: frames in the order in which they were said, those of one turn in one write, and nothing while it
 * is held. Knows no streams.
 */
import type { ByteStream, PipedBytes } from "../../sys/os.ts";
import { writeParts } from "../../util/bytes.ts";
import { type Deferred, deferred } from "../../util/deferred.ts";
import { encodeHeader, frameType } from "./frame.ts";

const soon = Promise.resolve();

export class Outgoing {
  /** A data frame with bytes that this process never sees; only where the carrier takes such. */
  readonly writePiped?: (streamId: number, bytes: PipedBytes) => Promise<void>;
  readonly #carrier: ByteStream;
  readonly #onLoss: (error: unknown) => void;
  /** Said in this turn, and the promise that it left. */
  readonly #said: Uint8Array[] = [];
  #leaving: Promise<void> | undefined;
  /** When what was given to the carrier last is taken. */
  #left = soon;
  /** While nothing may leave. */
  #held: Deferred | undefined;

  /** @param onLoss told when the carrier does not take something */
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
   * What is said in one turn leaves together: over a virtio port each write wakes the host. The result is shared by all of
   * it, resolves when the carrier took it, and never rejects: a carrier that fails ends the session.
   */
  write(parts: readonly Uint8Array[]): Promise<void> {
    this.#said.push(...parts);
    this.#leaving ??= soon.then(() => this.flush());
    return this.#leaving;
  }

  /** Gives the carrier at once what is waiting for the end of the turn. */
  flush(): Promise<void> {
    if (this.#held !== undefined) return this.#held.promise.then(() => this.flush());
    this.#leaving = undefined;
    if (this.#said.length > 0) this.#left = this.#taken(writeParts(this.#carrier, this.#said.splice(0)));
    return this.#left;
  }

  get isHeld(): boolean {
    return this.#held !== undefined;
  }

  /** Nothing that is said from now on leaves until the result is called. Not to be held twice. */
  hold(): () => void {
    const held = deferred();
    this.#held = held;
    return () => {
      if (this.#held === held) this.#release();
    };
  }

  /** The last words, held or not. */
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
