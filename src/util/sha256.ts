/**
 * SHA-256 (FIPS 180-4) for names and small checks, the same on every engine. Not for bulk data: it runs in JavaScript.
 */

// The first 32 bits of the fractional parts of the cube roots of the first 64 primes (section 4.2.2).
function roundConstants(): Uint32Array {
  const constants = new Uint32Array(64);
  let count = 0;
  for (let candidate = 2; count < 64; candidate++) {
    let prime = true;
    for (let d = 2; d * d <= candidate; d++) if (candidate % d === 0) prime = false;
    if (prime) constants[count++] = fraction32(Math.cbrt(candidate));
  }
  return constants;
}

function fraction32(value: number): number {
  return Math.floor((value - Math.floor(value)) * 0x1_0000_0000);
}

function initialState(): Uint32Array {
  return Uint32Array.from([2, 3, 5, 7, 11, 13, 17, 19], (prime) => fraction32(Math.sqrt(prime)));
}

function rotate(word: number, bits: number): number {
  return (word >>> bits) | (word << (32 - bits));
}

/** Appends the bit 1, zeros and the length in bits, to a multiple of 64 bytes (section 5.1.1). */
function pad(message: Uint8Array): DataView {
  const length = Math.ceil((message.length + 9) / 64) * 64;
  const padded = new Uint8Array(length);
  padded.set(message);
  padded[message.length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setUint32(length - 8, Math.floor(message.length / 0x2000_0000));
  view.setUint32(length - 4, (message.length << 3) >>> 0);
  return view;
}

function compress(state: Uint32Array, block: DataView, offset: number, k: Uint32Array, w: Uint32Array): void {
  for (let t = 0; t < 16; t++) w[t] = block.getUint32(offset + t * 4);
  for (let t = 16; t < 64; t++) {
    const w15 = w[t - 15] ?? 0;
    const w2 = w[t - 2] ?? 0;
    const s0 = rotate(w15, 7) ^ rotate(w15, 18) ^ (w15 >>> 3);
    const s1 = rotate(w2, 17) ^ rotate(w2, 19) ^ (w2 >>> 10);
    w[t] = (w[t - 16] ?? 0) + s0 + (w[t - 7] ?? 0) + s1;
  }
  let [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = state;
  for (let t = 0; t < 64; t++) {
    const t1 = h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + ((e & f) ^ (~e & g)) + (k[t] ?? 0) + (w[t] ?? 0);
    const t2 = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
    [h, g, f, e, d, c, b, a] = [g, f, e, (d + t1) | 0, c, b, a, (t1 + t2) | 0];
  }
  [a, b, c, d, e, f, g, h].forEach((word, i) => {
    state[i] = (state[i] ?? 0) + word;
  });
}

/** 64 lower-case hexadecimal digits. Text is encoded as UTF-8. */
export function sha256Hex(message: string | Uint8Array): string {
  const block = pad(typeof message === "string" ? new TextEncoder().encode(message) : message);
  const state = initialState();
  const constants = roundConstants();
  const schedule = new Uint32Array(64);
  for (let offset = 0; offset < block.byteLength; offset += 64) compress(state, block, offset, constants, schedule);
  return Array.from(state, (word) => word.toString(16).padStart(8, "0")).join("");
}
