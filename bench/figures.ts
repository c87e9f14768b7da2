/** Figures of a benchmark and their summary. Pure. */

export type Unit = "ms" | "CPU s" | "MiB" | "MB" | "MiB/s" | "%" | "ratio" | "count";

/** One quantity, measured several times in one run. */
export interface Figure {
  readonly name: string;
  readonly unit: Unit;
  readonly samples: readonly number[];
}

/** A figure in the report. */
export interface Summary extends Figure {
  readonly min: number;
  readonly median: number;
  readonly max: number;
}

/** A promise, and whether it was kept in this run. A benchmark reports it and does not fail. */
export interface Verdict {
  readonly promise: string;
  readonly value: number;
  readonly limit: number;
  readonly unit: Unit;
  readonly reached: boolean;
}

/** The results of one scenario. */
export interface Findings {
  readonly figures: readonly Figure[];
  readonly verdicts: readonly Verdict[];
  /** When each phase was over, in ms since the beginning. */
  readonly timeline?: Readonly<Record<string, number>>;
  /** How long each phase of each kind of start took, in ms. Some phases overlap. */
  readonly phases?: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** What a reader must know to judge the figures. */
  readonly notes?: readonly string[];
}

export function median(samples: readonly number[]): number {
  const sorted = [...samples].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle];
  if (upper === undefined) throw new Error("no samples");
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
}

/** The smallest sample that at least `percent` percent of all samples do not exceed (nearest rank). */
export function percentile(samples: readonly number[], percent: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  const value = sorted[Math.max(0, Math.ceil((sorted.length * percent) / 100) - 1)];
  if (value === undefined) throw new Error("no samples");
  return value;
}

export function summarize(figure: Figure): Summary {
  return {
    ...figure,
    min: Math.min(...figure.samples),
    median: median(figure.samples),
    max: Math.max(...figure.samples),
  };
}

export function atMost(promise: string, value: number, limit: number, unit: Unit): Verdict {
  return { promise, value, limit, unit, reached: value <= limit };
}

export function atLeast(promise: string, value: number, limit: number, unit: Unit): Verdict {
  return { promise, value, limit, unit, reached: value >= limit };
}
