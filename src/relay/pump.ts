/**
 * Copies one stream of a process between the shim and the host, in one direction, until either side is over.
 * One pump never waits for another. Knows nothing of which stream it carries.
 */
import type { ByteStream } from "../sys/os.ts";
import { SystemError } from "../util/errors.ts";

/** What a pump reads: the bytes that are there, at least one; `undefined` at the end. */
export interface Source {
  read(): Promise<Uint8Array | undefined>;
}

export type PumpEnd = "source-ended" | "sink-closed";

/** A copy that is under way. */
export class Pump {
  /** Resolves once. A side that fails (a hang-up, a full disk, a reader that left) is over; it never rejects for that. */
  readonly ended: Promise<PumpEnd>;
  #pieces = 0;
  #idle = false;

  constructor(source: Source, sink: Pick<ByteStream, "write">) {
    this.ended = this.#run(source, sink);
  }

  /** Number of pieces that were read. */
  get pieces(): number {
    return this.#pieces;
  }

  /** Everything that was read is written: it waits for the source, or is over. */
  get idle(): boolean {
    return this.#idle;
  }

  async #run(source: Source, sink: Pick<ByteStream, "write">): Promise<PumpEnd> {
    for (;;) {
      this.#idle = true;
      const bytes = await orOver(source.read());
      if (bytes === undefined) return "source-ended";
      this.#idle = false;
      this.#pieces += 1;
      if ((await orOver(sink.write(bytes).then(() => true))) === undefined) {
        this.#idle = true;
        return "sink-closed";
      }
    }
  }
}

async function orOver<T>(promise: Promise<T>): Promise<T | undefined> {
  try {
    return await promise;
  } catch (error) {
    if (error instanceof SystemError) return undefined;
    throw error;
  }
}
