/** Makes new inputs from old ones. Reproducible: the same seed gives the same inputs. */
import { maxInputBytes } from "./target.ts";

/** Small and fast (xorshift); nothing here is secret. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0 || 1;
  }

  /** From 0 to `limit` - 1. */
  below(limit: number): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return (this.#state >>> 0) % Math.max(1, limit);
  }

  of<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T;
  }
}

type Mutation = (
  input: Uint8Array,
  random: Random,
  others: readonly Uint8Array[],
  words: readonly Uint8Array[],
) => Uint8Array;

const interestingBytes = [0, 1, 2, 7, 8, 9, 10, 0x22, 0x2f, 0x5c, 0x7b, 0x7d, 0x7f, 0x80, 0xbf, 0xc0, 0xfe, 0xff];
const interestingNumbers = [
  0,
  1,
  0x7f,
  0x80,
  0xff,
  0x100,
  0xffff,
  0x1_0000,
  256 * 1024,
  0x3f_ffff,
  0x40_0000,
  0x7fff_ffff,
  -1,
];

const mutations: readonly Mutation[] = [
  (input, random) => changed(input, random, (byte) => byte ^ (1 << random.below(8))),
  (input, random) => changed(input, random, () => random.of(interestingBytes)),
  (input, random) => changed(input, random, () => random.below(256)),
  (input, random) => changed(input, random, (byte) => byte + random.of([-1, 1])),
  function number(input, random) {
    if (input.length < 4) return input;
    const copy = input.slice();
    new DataView(copy.buffer).setInt32(
      random.below(copy.length - 3),
      random.of(interestingNumbers),
      random.below(2) === 0,
    );
    return copy;
  },
  function cutOut(input, random) {
    const [from, to] = range(input, random);
    return joined(input.subarray(0, from), input.subarray(to));
  },
  (input, random) => input.slice(0, random.below(input.length + 1)),
  function repeat(input, random) {
    const [from, to] = range(input, random);
    const times = 1 + random.below(8);
    return joined(
      input.subarray(0, to),
      ...Array.from({ length: times }, () => input.subarray(from, to)),
      input.subarray(to),
    );
  },
  function insert(input, random) {
    const at = random.below(input.length + 1);
    const bytes = Uint8Array.from({ length: 1 + random.below(16) }, () => random.below(256));
    return joined(input.subarray(0, at), bytes, input.subarray(at));
  },
  function splice(input, random, others) {
    const other = random.of(others);
    const [from, to] = range(other, random);
    const at = random.below(input.length + 1);
    return joined(
      input.subarray(0, at),
      other.subarray(from, to),
      input.subarray(random.below(2) === 0 ? at : Math.min(input.length, at + to - from)),
    );
  },
  function word(input, random, _others, words) {
    if (words.length === 0) return input;
    const [from, to] = random.below(2) === 0 ? range(input, random) : [0, 0];
    const at = from === to ? random.below(input.length + 1) : from;
    return joined(input.subarray(0, at), random.of(words), input.subarray(Math.max(at, to)));
  },
];

/** Applies one to eight changes in sequence. */
export function mutate(
  input: Uint8Array,
  random: Random,
  others: readonly Uint8Array[],
  words: readonly Uint8Array[],
): Uint8Array {
  let result = input;
  for (let count = 1 << random.below(4); count > 0; count--)
    result = random.of(mutations)(result, random, others, words);
  return result.subarray(0, maxInputBytes);
}

function changed(input: Uint8Array, random: Random, change: (byte: number) => number): Uint8Array {
  if (input.length === 0) return input;
  const copy = input.slice();
  const at = random.below(copy.length);
  copy[at] = change(copy[at] ?? 0);
  return copy;
}

function range(input: Uint8Array, random: Random): [from: number, to: number] {
  const from = random.below(input.length + 1);
  return [from, from + random.below(Math.min(input.length - from, 256) + 1)];
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts).subarray(0, maxInputBytes));
}
