/**
 * Assembles classic BPF from the last instruction to the first. Jumps only go forward, so every target is known
 * already. A conditional jump reaches 255 instructions; for a target that is farther away, an unconditional jump is
 * inserted within reach. Knows nothing of profiles.
 */
import { KumiteError } from "../util/errors.ts";
import { instructionBytes, maxInstructions } from "./filter.ts";

/**
 * Target of a jump: an instruction that is written already, by its distance from the end, or the return of an action.
 */
export type Target = { readonly at: number } | { readonly action: number };

const loadWord = 0x20;
const and = 0x54;
const jumpAlways = 0x05;
const returnConstant = 0x06;
const comparisons = { "==": 0x15, ">": 0x25, ">=": 0x35 } as const;

export type Comparison = keyof typeof comparisons;

/** Two less than a jump reaches, because up to two instructions may be inserted between measuring and jumping. */
const reach = 253;

export class Assembler {
  /** Last instruction first. Each has two words: the code with both jump distances, and the constant. */
  readonly #words: number[] = [];
  /** The nearest return instruction of each action. */
  readonly #returns = new Map<number, number>();

  /** Writes a conditional jump on the accumulator. Returns the jump, or the target if both targets are the same. */
  jump(comparison: Comparison, value: number, whenTrue: Target, whenFalse: Target): Target {
    if (isSame(whenTrue, whenFalse)) return whenTrue;
    const [yes, no] = [this.#near(whenTrue), this.#near(whenFalse)];
    return this.#write(comparisons[comparison] | (this.#distance(yes) << 16) | (this.#distance(no) << 24), value);
  }

  /** Writes a load of a word of `struct seccomp_data` into the accumulator, to be executed before `next`. */
  load(offset: number, next: Target): Target {
    return this.#before(next, loadWord, offset);
  }

  mask(value: number, next: Target): Target {
    return this.#before(next, and, value);
  }

  /**
   * Returns the program, which begins at `entry`.
   * @throws KumiteError `oci/unsupported` for a program that is too long
   */
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

  /** Writes an instruction that has no jump target, so the instruction executed next must be the one written last. */
  #before(next: Target, code: number, value: number): Target {
    if ("action" in next) return next;
    if (next.at !== this.#length) this.#write(jumpAlways, this.#distance(next.at));
    return this.#write(code, value);
  }

  #distance(at: number): number {
    return this.#length - at;
  }

  /** Returns an instruction within reach that has the same effect as the target. */
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
