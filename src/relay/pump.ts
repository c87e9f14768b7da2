/**
 * Copies one stream of a process between the shim and the host, in one direction, until either side has ended. Pumps
 * never wait for each other. Knows nothing of which stream it copies.
 */
import type { ByteStream } from "../sys/os.ts";
import { SystemError } from "../util/errors.ts";

/** What a pump reads from: the available bytes, at least one; `undefined` at the end. */
export interface Source {
  read(): Promise<Uint8Array | undefined>;
}

export type PumpEnd = "source-ended" | "sink-closed";

/** A copy in progress. */
export class Pump {
  /**
   * Resolves once, and never rejects for a side that fails: a hang-up, a full disk or a reader that left counts as an
   * end.
   */
  readonly ended: Promise<PumpEnd>;
  #pieces = 0;
  #idle = false;

  constructor(source: Source, sink: Pick<ByteStream, "write">) {
    this.ended = this.#run(source, sink);
  }

  /** Number of pieces that have been read. */
  get pieces(): number {
    return this.#pieces;
  }

  /** Whether everything that was read has been written: the pump waits for its source, or has ended. */
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
