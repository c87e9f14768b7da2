/**
 * Classic BPF, written from its last instruction to its first: jumps only go forward, so whoever jumps knows where to. A
 * conditional jump reaches 255 instructions; what is farther away gets a stepping stone. Knows nothing of profiles.
 */
import { KumiteError } from "../util/errors.ts";
import { instructionBytes, maxInstructions } from "./filter.ts";

/** Where a jump goes: an instruction that is written already, by its distance from the end, or the return of an action. */
export type Target = { readonly at: number } | { readonly action: number };

const loadWord = 0x20;
const and = 0x54;
const jumpAlways = 0x05;
const returnConstant = 0x06;
const comparisons = { "==": 0x15, ">": 0x25, ">=": 0x35 } as const;

export type Comparison = keyof typeof comparisons;

/** One less than a jump reaches for each of the stones that may be laid between measuring and jumping. */
const reach = 253;

export class Assembler {
  /** Last instruction first: code with both distances, then the constant. */
  readonly #words: number[] = [];
  /** The nearest return of each action. */
  readonly #returns = new Map<number, number>();

  /** To what the accumulator says; gives the jump itself, or the target when both are one. */
  jump(comparison: Comparison, value: number, whenTrue: Target, whenFalse: Target): Target {
    if (isSame(whenTrue, whenFalse)) return whenTrue;
    const [yes, no] = [this.#near(whenTrue), this.#near(whenFalse)];
    return this.#write(comparisons[comparison] | (this.#distance(yes) << 16) | (this.#distance(no) << 24), value);
  }

  /** Puts a word of `struct seccomp_data` into the accumulator before what was written last. */
  load(offset: number, next: Target): Target {
    return this.#before(next, loadWord, offset);
  }

  mask(value: number, next: Target): Target {
    return this.#before(next, and, value);
  }

  /** The program, which begins at the entry. @throws KumiteError `oci/unsupported` for one that is too long */
  finish(entry: Target): Uint8Array {
    if ("action" in entry) this.#write(returnConstant, entry.action);
    else if (entry.at !== this.#length) this.#write(jumpAlways, this.#distance(entry.at));
    const count = this.#words.length / 2;
    if (count > maxInstructions) {
      throw new KumiteError(
        "oci/unsupported",
        `linux.seccomp is too large: it takes ${count} instructions, the kernel accepts ${maxInstructions}`,
      );
    }
    const bytes = new Uint8Array(count * instructionBytes);
    const view = new DataView(bytes.buffer);
    for (let index = 0; index < count; index++) {
      const at = (count - 1 - index) * instructionBytes;
      view.setUint32(at, this.#words[2 * index] ?? 0, true);
      view.setUint32(at + 4, this.#words[2 * index + 1] ?? 0, true);
    }
    return bytes;
  }

  get #length(): number {
    return this.#words.length / 2;
  }

  #write(code: number, value: number): { readonly at: number } {
    this.#words.push(code >>> 0, value >>> 0);
    return { at: this.#length };
  }

  /** These have no target: what comes next must be what was written last. */
  #before(next: Target, code: number, value: number): Target {
    if ("action" in next) return next;
    if (next.at !== this.#length) this.#write(jumpAlways, this.#distance(next.at));
    return this.#write(code, value);
  }

  #distance(at: number): number {
    return this.#length - at;
  }

  /** An instruction within reach that does what the target does. */
  #near(target: Target): number {
    const at = "at" in target ? target.at : this.#returns.get(target.action);
    if (at !== undefined && this.#distance(at) <= reach) return at;
    if ("at" in target) return this.#write(jumpAlways, this.#distance(target.at)).at;
    const nearest = this.#write(returnConstant, target.action).at;
    this.#returns.set(target.action, nearest);
    return nearest;
  }
}

function isSame(a: Target, b: Target): boolean {
  if ("at" in a) return "at" in b && a.at === b.at;
  return "action" in b && a.action === b.action;
}
