/** Base64 with the alphabet for file names and URLs, padded (RFC 4648, 5). */
import { encodeUtf8 } from "./text.ts";

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

export function base64UrlOf(text: string): string {
  const bytes = encodeUtf8(text);
  let result = "";
  for (let at = 0; at < bytes.length; at += 3) {
    const [first = 0, second, third] = bytes.subarray(at, at + 3);
    const word = (first << 16) | ((second ?? 0) << 8) | (third ?? 0);
    const letter = (shift: number) => alphabet.charAt((word >> shift) & 63);
    result +=
      letter(18) + letter(12) + (second === undefined ? "=" : letter(6)) + (third === undefined ? "=" : letter(0));
  }
  return result;
}
