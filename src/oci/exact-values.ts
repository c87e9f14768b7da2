/**
 * The numbers that seccomp rules compare arguments with have 64 bits, and JSON's readers have 53: -100 as an unsigned
 * integer would become 2^64. Such a number is made a text of the same digits before the document is read. Pure.
 */

/** In JSON, where a quote inside of a text has a backslash before it, only a key can look like this. */
const longValue = /("value(?:Two)?"\s*:\s*)(\d{16,20})(?=\s*[,}])/g;

/** The text of a configuration with long values of seccomp rules as texts; nothing else has keys of these names. */
export function quoteLongValues(json: string): string {
  return json.replace(longValue, '$1"$2"');
}

/** Whether it is a number of 64 bits in this form. */
export function isLongValue(text: string): boolean {
  return /^\d{16,20}$/.test(text) && BigInt(text) < 2n ** 64n;
}
