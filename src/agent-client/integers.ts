/**
 * Converts numbers from JSON, which are doubles, to 64-bit fields. A double at the edge of the range lies beyond it:
 * 2^64-1, which means "no limit" in many keys, reads as 2^64. So values are clamped. The exact value is in the JSON
 * beside the message.
 */

const maxUint64 = 2n ** 64n - 1n;
const maxInt64 = 2n ** 63n - 1n;
const minInt64 = -(2n ** 63n);

/** A text of digits is exact. */
export function uint64Of(value: number | string): bigint;
export function uint64Of(value: number | string | undefined): bigint | undefined;
export function uint64Of(value: number | string | undefined): bigint | undefined {
  return value === undefined ? undefined : clamp(BigInt(value), 0n, maxUint64);
}

export function int64Of(value: number): bigint;
export function int64Of(value: number | undefined): bigint | undefined;
export function int64Of(value: number | undefined): bigint | undefined {
  return value === undefined ? undefined : clamp(BigInt(value), minInt64, maxInt64);
}

function clamp(value: bigint, least: bigint, most: bigint): bigint {
  if (value < least) return least;
  return value > most ? most : value;
}
