/**
 * Encodes the set-up of a new process as a list of steps for the C host (src/sys/native/birth.c), which has the same
 * numbers. A step consists of its number and its arguments: 64-bit numbers and strings. Pure.
 */
import { encodeUtf8 } from "../../util/text.ts";

/** Version of the numbers below and of the arguments of each step. The agent does not use lists of another version. */
export const stepsVersion = 1;

/** Must match `enum birth_step`. */
export const step = {
  write: 1,
  unshare: 2,
  hostName: 3,
  domainName: 4,
  umask: 5,
  enterContainer: 6,
  attachRoot: 7,
  mountNew: 8,
  mountBind: 9,
  device: 10,
  link: 11,
  directory: 12,
  seal: 13,
  readOnly: 14,
  mask: 15,
  enterRoot: 16,
  usualDescriptors: 17,
  limit: 18,
  home: 19,
  workingDirectory: 20,
  identity: 21,
  executable: 22,
  awaitStart: 23,
  execute: 24,
  ask: 25,
  exit: 26,
  take: 27,
  keyring: 28,
  personality: 29,
  filter: 30,
} as const;

/** A 64-bit number, a boolean, a string, or an array, which is preceded by its length. */
type Item = number | bigint | boolean | string | readonly (number | bigint | string)[];

const integerBytes = 8;

export class StepWriter {
  readonly #pieces: Uint8Array[] = [];

  add(number: number, ...items: readonly Item[]): void {
    this.#integer(BigInt(number));
    for (const item of items) this.#item(item);
  }

  /** Adds steps that are encoded already, or more bytes that the last step takes. */
  append(bytes: Uint8Array): void {
    this.#pieces.push(bytes);
  }

  /** All steps so far, concatenated. */
  bytes(): Uint8Array {
    const whole = new Uint8Array(this.#pieces.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const piece of this.#pieces) {
      whole.set(piece, at);
      at += piece.length;
    }
    return whole;
  }

  #item(item: Item): void {
    if (typeof item === "string") this.#text(item);
    else if (typeof item === "object") {
      this.#integer(BigInt(item.length));
      for (const each of item) this.#item(each);
    } else this.#integer(BigInt(item));
  }

  #integer(value: bigint): void {
    const piece = new Uint8Array(integerBytes);
    new DataView(piece.buffer).setBigInt64(0, BigInt.asIntN(64, value), true);
    this.#pieces.push(piece);
  }

  #text(text: string): void {
    const bytes = encodeUtf8(text);
    this.#integer(BigInt(bytes.length));
    this.#pieces.push(bytes, new Uint8Array(1));
  }
}
