/** The bytes of a file that is read to its end, piece by piece, without knowing its size. */
import { concat } from "../../util/bytes.ts";
import { SystemError } from "../../util/errors.ts";

/** Most files are smaller. Clearing a larger buffer would be half the cost of reading one. */
const firstReadBytes = 8 * 1024;
const readStepBytes = 64 * 1024;

export class WholeFile {
  readonly #path: string;
  readonly #limit: number;
  readonly #parts: Uint8Array[] = [];
  #length = 0;
  #part = new Uint8Array(firstReadBytes);
  #filled = 0;

  /** @param limit in bytes */
  constructor(path: string, limit: number) {
    this.#path = path;
    this.#limit = limit;
  }

  /** Where the next bytes go; never empty. */
  get space(): Uint8Array {
    return this.#part.subarray(this.#filled);
  }

  /** Counts the bytes that were read into the space. @throws SystemError `EFBIG` beyond the limit */
  add(count: number): void {
    this.#length += count;
    this.#filled += count;
    if (this.#length > this.#limit) throw new SystemError("EFBIG", "read", this.#path);
    if (this.#filled < this.#part.length) return;
    this.#parts.push(this.#part);
    this.#part = new Uint8Array(readStepBytes);
    this.#filled = 0;
  }

  bytes(): Uint8Array {
    return concat([...this.#parts, this.#part.subarray(0, this.#filled)]);
  }
}
