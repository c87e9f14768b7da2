/**
 * Bytes that have arrived on a stream and not been read. Large pieces are kept as they are, small ones are copied
 * together: a piece is a view that keeps alive the whole array in which it arrived, so otherwise a peer could make a
 * few bytes per stream hold megabytes.
 */
export class ReceiveQueue {
  #chunks: Uint8Array[] = [];
  #length = 0;
  /** The array of the last chunk, while it has room. */
  #block: { readonly bytes: Uint8Array; used: number } | undefined;

  get length(): number {
    return this.#length;
  }

  push(piece: Uint8Array): void {
    this.#length += piece.length;
    if (piece.length * largestOverhead >= piece.buffer.byteLength) {
      this.#block = undefined;
      this.#chunks.push(piece);
      return;
    }
    for (let rest = piece; rest.length > 0; ) rest = rest.subarray(this.#copy(rest));
  }

  /** Removes and returns the oldest chunk; `undefined` when there is none. */
  shift(): Uint8Array | undefined {
    const chunk = this.#chunks.shift();
    this.#length -= chunk?.length ?? 0;
    if (this.#chunks.length === 0) this.#block = undefined;
    return chunk;
  }

  clear(): void {
    this.#chunks = [];
    this.#length = 0;
    this.#block = undefined;
  }

  /** Copies as much as fits into the last block, or into a new one; returns the number of bytes. */
  #copy(piece: Uint8Array): number {
    if (this.#block === undefined || this.#block.used === this.#block.bytes.length) {
      const size = Math.min(Math.max(smallestBlock, 2 * this.#length), largestBlock);
      this.#block = { bytes: new Uint8Array(size), used: 0 };
      this.#chunks.push(this.#block.bytes.subarray(0, 0));
    }
    const block = this.#block;
    const taken = Math.min(piece.length, block.bytes.length - block.used);
    block.bytes.set(piece.subarray(0, taken), block.used);
    block.used += taken;
    this.#chunks[this.#chunks.length - 1] = block.bytes.subarray(0, block.used);
    return taken;
  }
}

/** A piece is kept as it is if its array is at most this many times as large. */
const largestOverhead = 4;

/** Sizes of the arrays into which small pieces are copied, in bytes. */
const smallestBlock = 512;
const largestBlock = 16 * 1024;
