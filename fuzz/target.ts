/** A fuzzer's target: one part of the product that reads hostile input. */
import { isKumiteError } from "../src/util/errors.ts";

export interface Target {
  readonly name: string;
  /** Initial inputs: well-formed, one for each case that the part distinguishes. */
  readonly seeds: () => readonly Uint8Array[];
  /** Words of its language, which are inserted into inputs. */
  readonly words?: readonly string[];
  /** Throws if the part did what it must not; refusing the input is correct. */
  readonly run: (input: Uint8Array) => void | Promise<void>;
}

/** Longest input. Limits beyond it are tested by tests that know them. */
export const maxInputBytes = 16 * 1024;

/** A refusal with one of the product's own codes is correct; anything else is a fault. */
export function mustBeRefusal(error: unknown, ...codes: readonly string[]): void {
  if (isKumiteError(error) && (codes.length === 0 || codes.includes(error.code))) return;
  throw error;
}

export function must(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(`violated: ${what}`);
}
