/**
 * Keeps the last lines that a guest or a program prints, made safe to show to a person. It reads as fast as the writer
 * writes, so that the writer never blocks, and keeps a bounded amount.
 */
import type { ByteStream } from "../sys/os.ts";
import { deferred } from "../util/deferred.ts";
import { decodeUtf8, stripControls } from "../util/text.ts";

const maxLines = 200;
/** In characters; the rest of a longer line is dropped. */
const maxLineLength = 1000;

export class LineTail {
  /** Resolves at the first byte; never resolves if the stream ends without one. */
  readonly begun: Promise<void>;
  /** Resolves when the stream has ended. */
  readonly ended: Promise<void>;
  readonly #begun = deferred();
  readonly #onLine: (line: string) => void;
  readonly #lines: string[] = [];
  readonly #listeners = new Set<(bytes: Uint8Array) => void>();
  /** The incomplete last line, as received. */
  #rest = "";

  /** `onLine` is called with each complete line. */
  constructor(stream: ByteStream, onLine: (line: string) => void = () => {}) {
    this.begun = this.#begun.promise;
    this.#onLine = onLine;
    this.ended = this.#follow(stream);
  }

  /** Calls `listener` with each piece of output from now on, until the returned function is called. */
  listen(listener: (bytes: Uint8Array) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The last `count` non-empty lines, oldest first, without control characters. */
  last(count: number): string[] {
    const lines = [...this.#lines, shown(this.#rest)].filter((line) => line !== "");
    return lines.slice(Math.max(0, lines.length - count));
  }

  async #follow(stream: ByteStream): Promise<void> {
    try {
      for (let bytes = await stream.read(); bytes !== undefined; bytes = await stream.read()) {
        this.#begun.resolve();
        for (const listener of this.#listeners) listener(bytes);
        this.#add(decodeUtf8(bytes));
      }
    } catch {
      // A broken stream counts as an end.
    }
  }

  #add(text: string): void {
    const [first = "", ...others] = text.split("\n");
    this.#extend(first);
    for (const next of others) {
      const line = shown(this.#rest);
      this.#rest = "";
      if (line !== "") this.#keep(line);
      this.#extend(next);
    }
  }

  #extend(text: string): void {
    // Leaves room for escape sequences, which are removed before the line is cut to its final length.
    this.#rest = (this.#rest + text).slice(0, 4 * maxLineLength);
  }

  #keep(line: string): void {
    this.#lines.push(line);
    if (this.#lines.length > maxLines) this.#lines.shift();
    this.#onLine(line);
  }
}

function shown(line: string): string {
  return stripControls(line).slice(0, maxLineLength).trimEnd();
}
