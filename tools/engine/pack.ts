/**
 * Packs bytes for src/sys/native/unpack.c, as an LZ4 block, which is very cheap to unpack. A block is a list of
 * sequences. Each consists of a byte with two lengths, as many literal bytes as the first length says, and a distance
 * back to where a copy of the second length starts. A length of 15 continues in further bytes. The last sequence has no
 * copy.
 */

const shortestMatch = 4;
const farthest = 0xffff;
/** Required by the format: a decoder that reads several bytes at a time does not read beyond the end. */
const lastLiterals = 5;
const lastMatchBefore = 12;
/** The number of earlier positions with the same beginning that are compared. */
const tries = 256;

export function pack(bytes: Uint8Array): Uint8Array {
  const out: number[] = [];
  const places = new Map<number, number[]>();
  let done = 0;
  for (let at = 0; at + lastMatchBefore <= bytes.length; ) {
    const { length, distance } = longestMatch(bytes, at, places);
    const end = at + Math.max(1, length);
    if (length >= shortestMatch) {
      addSequence(out, bytes.subarray(done, at), { length, distance });
      done = end;
    }
    for (; at < end; at++) remember(bytes, at, places);
  }
  addSequence(out, bytes.subarray(done));
  return Uint8Array.from(out);
}

interface Match {
  readonly length: number;
  readonly distance: number;
}

function beginning(bytes: Uint8Array, at: number): number {
  return (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 24);
}

function remember(bytes: Uint8Array, at: number, places: Map<number, number[]>): void {
  const key = beginning(bytes, at);
  const before = places.get(key);
  if (before === undefined) places.set(key, [at]);
  else before.push(at);
}

function longestMatch(bytes: Uint8Array, at: number, places: Map<number, number[]>): Match {
  let best: Match = { length: 0, distance: 0 };
  for (const place of (places.get(beginning(bytes, at)) ?? []).slice(-tries).reverse()) {
    if (at - place > farthest) break;
    let length = 0;
    while (at + length < bytes.length - lastLiterals && bytes[place + length] === bytes[at + length]) length++;
    if (length > best.length) best = { length, distance: at - place };
  }
  return best;
}

function addSequence(out: number[], literals: Uint8Array, match?: Match): void {
  const more = match === undefined ? 0 : match.length - shortestMatch;
  out.push((Math.min(literals.length, 15) << 4) | Math.min(more, 15));
  addLength(out, literals.length);
  out.push(...literals);
  if (match === undefined) return;
  out.push(match.distance & 0xff, match.distance >> 8);
  addLength(out, more);
}

/** Adds what does not fit into the sequence's first byte. */
function addLength(out: number[], length: number): void {
  if (length < 15) return;
  let left = length - 15;
  for (; left >= 255; left -= 255) out.push(255);
  out.push(left);
}
