/** What every scenario gets. */
import type { Workplace } from "../test/support/workplace.ts";

export interface BenchContext {
  readonly place: Workplace;
  /** Fewer samples: for a first impression, and for tests of the benchmark itself. */
  readonly quick: boolean;
  /** Path of the directory with the product's artifacts. */
  readonly installRoot: string;
  /** Prints one line of progress. */
  progress(text: string): void;
}

export function rounds(context: BenchContext, full: number, quick: number): number {
  return context.quick ? quick : full;
}
