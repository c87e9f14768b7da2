/** UTF-8, and cleaning of untrusted text for display. */

let encoder: InstanceType<typeof TextEncoder> | undefined;
let decoder: InstanceType<typeof TextDecoder> | undefined;

export function encodeUtf8(text: string): Uint8Array<ArrayBuffer> {
  encoder ??= new TextEncoder();
  return encoder.encode(text);
}

/** Invalid UTF-8 becomes U+FFFD. */
export function decodeUtf8(bytes: Uint8Array): string {
  decoder ??= new TextDecoder();
  return decoder.decode(bytes);
}

/** One byte for each character, up to U+00FF. */
export function encodeLatin1(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

/** One character for each byte. */
export function decodeLatin1(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what this is about
const escapeSequences = /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[ -/]*[0-~])/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what this is about
const controls = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/**
 * Removes terminal escape sequences, control characters except newline and tab, and characters that reorder text, so
 * that a guest cannot control the terminal of someone who reads its console or its error messages.
 */
export function stripControls(text: string): string {
  return text.replace(escapeSequences, "").replace(controls, "");
}

/** Cleaned, on one line and at most `limit` characters long. */
export function oneLine(text: string, limit = 500): string {
  // Cut first: the text may be megabytes of one escape sequence.
  const line = stripControls(text.slice(0, limit * 4))
    .replace(/\s+/g, " ")
    .trim();
  return line.length > limit ? `${line.slice(0, limit - 1)}…` : line;
}
