/** Bytes that have arrived and not been taken, in one array of at most twice the requested length. Knows no stream. */

const none = new Uint8Array(0) as Uint8Array;

export class ByteBuffer {
  /** The content is in `#bytes` from `#start` to `#end`. */
  #bytes = none;
  #start = 0;
  #end = 0;

  get length(): number {
    return this.#end - this.#start;
  }

  /** Adds a chunk, which may be kept without a copy. `wanted` is how many bytes will be taken at once; 0 if unknown. */
  push(chunk: Uint8Array, wanted = 0): void {
    if (this.#start === this.#end) {
      this.#bytes = chunk;
      this.#start = 0;
      this.#end = chunk.length;
      return;
    }
    const length = this.length + chunk.length;
    if (this.#end + chunk.length > this.#bytes.length) this.#grow(Math.max(wanted, length));
    this.#bytes.set(chunk, this.#end);
    this.#end += chunk.length;
  }

  /** Exactly `length` bytes, perhaps a view of a larger array; `undefined` if there are fewer, and nothing is taken. */
  take(length: number): Uint8Array | undefined {
    return length <= this.#end - this.#start ? this.#cut(length) : undefined;
  }

  /** The whole content. */
  takeAll(): Uint8Array {
    return this.#cut(this.length);
  }

  /** Drops up to `length` bytes; returns how many. */
  drop(length: number): number {
    return this.#cut(Math.min(length, this.length)).length;
  }

  /** The index of the first `byte` among the first `limit` bytes; -1 if there is none. */
  indexOf(byte: number, limit: number): number {
    return this.#bytes.subarray(this.#start, Math.min(this.#end, this.#start + limit)).indexOf(byte);
  }

  #cut(length: number): Uint8Array {
    const taken = this.#bytes.subarray(this.#start, this.#start + length);
    this.#start += length;
    // Do not hold on to an array that now belongs to the caller.
    if (this.#start === this.#end) this.#bytes = none;
    return taken;
  }

  #grow(capacity: number): void {
    const larger = new Uint8Array(capacity);
    larger.set(this.#bytes.subarray(this.#start, this.#end));
    this.#end -= this.#start;
    this.#start = 0;
    this.#bytes = larger;
  }
}
