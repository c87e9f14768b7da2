/**
 * The last lines of what a guest or a program prints, fit to be shown to a person.
 * Reads as fast as it is written, so that the writer never waits for us, and keeps a bounded part.
 */
import type { ByteStream } from "../sys/os.ts";
import { deferred } from "../util/deferred.ts";
import { decodeUtf8, stripControls } from "../util/text.ts";

const maxLines = 200;
/** What a longer line has beyond this is dropped; in characters. */
const maxLineLength = 1000;

export class LineTail {
  /** Resolves at the first byte; stays pending when the stream ends without one. */
  readonly begun: Promise<void>;
  /** Resolves when the stream has ended. */
  readonly ended: Promise<void>;
  readonly #begun = deferred();
  readonly #onLine: (line: string) => void;
  readonly #lines: string[] = [];
  readonly #listeners = new Set<(bytes: Uint8Array) => void>();
  /** The line that is not complete yet, as it came. */
  #rest = "";

  /** `onLine` is told every complete line. */
  constructor(stream: ByteStream, onLine: (line: string) => void = () => {}) {
    this.begun = this.#begun.promise;
    this.#onLine = onLine;
    this.ended = this.#follow(stream);
  }

  /** Told every piece as it comes, from now on, until the result is called. */
  listen(listener: (bytes: Uint8Array) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The last `count` lines that are not empty, without control characters, oldest first. */
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
      // A broken stream ends the text like any other end.
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
    // Escape sequences take room too: leave some for them before the line is cut.
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
