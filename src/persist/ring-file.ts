/**
 * The last lines of an endless output, on disk, so that they survive the process that wrote them. There are two files,
 * each limited to half the size. When the newer one is full, it replaces the older one. Adding a line never waits.
 */
import type { Os } from "../sys/os.ts";
import { isSystemError } from "../util/errors.ts";
import { encodeUtf8 } from "../util/text.ts";

/** Limit of the lines that wait for a slow disk, in characters; the oldest lines are dropped. */
const maxWaiting = 64 * 1024;

export interface RingFileOptions {
  /** Limit of both files together. */
  readonly maxBytes: number;
  /** Called once, with the first error of writing. */
  readonly onFailure: (error: unknown) => void;
}

export class RingFile {
  readonly #os: Os;
  readonly #path: string;
  readonly #options: RingFileOptions;
  #waiting: string[] = [];
  #waitingSize = 0;
  #dropped = 0;
  #fileBytes = 0;
  #writing: Promise<void> | undefined;
  #hasFailed = false;

  constructor(os: Os, path: string, options: RingFileOptions) {
    this.#os = os;
    this.#path = path;
    this.#options = options;
  }

  /** `line` has no newline. */
  add(line: string): void {
    this.#waiting.push(line);
    this.#waitingSize += line.length;
    while (this.#waitingSize > maxWaiting && this.#waiting.length > 1) {
      this.#waitingSize -= this.#waiting.shift()?.length ?? 0;
      this.#dropped += 1;
    }
    this.#writing ??= this.#write();
  }

  /** Resolves when every line so far is in the file or lost. Never rejects. */
  async flushed(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
  }

  async #write(): Promise<void> {
    // Lines added in the same turn of the event loop are written together.
    await undefined;
    while (this.#waiting.length > 0) {
      const note =
        this.#dropped === 0
          ? []
          : [`(${this.#dropped} lines are missing: they came faster than they could be written)`];
      const lines = [...note, ...this.#waiting];
      [this.#waiting, this.#waitingSize, this.#dropped] = [[], 0, 0];
      await this.#append(encodeUtf8(`${lines.join("\n")}\n`)).catch((error: unknown) => {
        if (!this.#hasFailed) this.#options.onFailure(error);
        this.#hasFailed = true;
      });
    }
    this.#writing = undefined;
  }

  async #append(bytes: Uint8Array): Promise<void> {
    const { files } = this.#os;
    if (this.#fileBytes + bytes.length > this.#options.maxBytes / 2) {
      if (this.#fileBytes > 0) await files.rename(this.#path, olderOf(this.#path));
      this.#fileBytes = 0;
    }
    await files.write(this.#path, bytes, { append: true });
    this.#fileBytes += bytes.length;
  }
}

/** Both files as one text, oldest line first; empty if there are none. */
export async function readRingFile(os: Os, path: string): Promise<string> {
  const [older, newer] = [await textOf(os, olderOf(path)), await textOf(os, path)];
  return older + newer;
}

export function olderOf(path: string): string {
  return `${path}.1`;
}

async function textOf(os: Os, path: string): Promise<string> {
  try {
    return await os.files.readText(path);
  } catch (error) {
    if (isSystemError(error, "ENOENT", "ENOTDIR")) return "";
    throw error;
  }
}
