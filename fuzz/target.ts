/** What a fuzzer tries: one part of the product that reads what somebody hostile wrote. */
import { isKumiteError } from "../src/util/errors.ts";

export interface Target {
  readonly name: string;
  /** Inputs to begin with: well-formed, one for each thing that the part distinguishes. */
  readonly seeds: () => readonly Uint8Array[];
  /** Words of its language, put into inputs as they are. */
  readonly words?: readonly string[];
  /** Throws when the part did what it must not; that it refuses the input is its work and no failure. */
  readonly run: (input: Uint8Array) => void | Promise<void>;
}

/** Longest input. What happens at limits beyond it is for tests that know the limit. */
export const maxInputBytes = 16 * 1024;

/** A refusal in the product's own words is what is wanted; anything else is a fault. */
export function mustBeRefusal(error: unknown, ...codes: readonly string[]): void {
  if (isKumiteError(error) && (codes.length === 0 || codes.includes(error.code))) return;
  throw error;
}

export function must(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(`violated: ${what}`);
}
