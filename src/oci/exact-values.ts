/**
 * Seccomp rules compare arguments with 64-bit numbers, but JSON parsers keep only 53 bits: -100 as an unsigned integer
 * would become 2^64. So such a number is quoted before the document is parsed. Pure.
 */

/** Only a key can look like this in JSON, since quotes inside a string are preceded by a backslash. */
const longValue = /("value(?:Two)?"\s*:\s*)(\d{16,20})(?=\s*[,}])/g;

/** The configuration's text with long values of seccomp rules quoted. No other keys have these names. */
export function quoteLongValues(json: string): string {
  return json.replace(longValue, '$1"$2"');
}

/** Whether it is a 64-bit number in this form. */
export function isLongValue(text: string): boolean {
  return /^\d{16,20}$/.test(text) && BigInt(text) < 2n ** 64n;
}
