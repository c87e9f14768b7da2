/** Which code of the product ran, from V8's own counters: no instrumentation, no native add-on. */
import inspector from "node:inspector";

type FunctionCoverage = inspector.Profiler.FunctionCoverage;

/** Half-open ranges of characters in a script; sorted, and not adjacent. */
type Ranges = readonly (readonly [from: number, to: number])[];

const watched = /\/src\/|node_modules\/(smol-toml|@bufbuild|valibot)/;

export class Coverage {
  readonly #session = new inspector.Session();
  /** For each function that was called: its parts that never ran. */
  readonly #missing = new Map<string, Ranges>();

  start(): void {
    this.#session.connect();
    this.#session.post("Profiler.enable");
    // Records whether code ran, not how often, which is fast enough to be read after each input.
    this.#session.post("Profiler.startPreciseCoverage", { callCount: false, detailed: true });
    this.takeNew();
  }

  /** Whether code has run since the last call that had never run before. */
  takeNew(): boolean {
    let isNew = false;
    // Synchronous, since the session belongs to this thread.
    this.#session.post("Profiler.takePreciseCoverage", (error, answer) => {
      if (error !== null) throw error;
      for (const { scriptId, url, functions } of answer.result) {
        if (!watched.test(url)) continue;
        for (const one of functions) isNew = this.#add(scriptId, one) || isNew;
      }
    });
    return isNew;
  }

  /** Number of functions that were called. */
  get functions(): number {
    return this.#missing.size;
  }

  #add(scriptId: string, { ranges: [whole, ...blocks] }: FunctionCoverage): boolean {
    if (whole === undefined || whole.count === 0) return false;
    const key = `${scriptId}:${whole.startOffset}:${whole.endOffset}`;
    const known = this.#missing.get(key);
    const skipped = blocks.filter(({ count }) => count === 0);
    const missing = disjoint(skipped.map(({ startOffset, endOffset }) => [startOffset, endOffset] as const));
    const left = known === undefined ? missing : common(known, missing);
    if (known !== undefined && lengthOf(left) === lengthOf(known)) return false;
    this.#missing.set(key, left);
    return true;
  }
}

/** Nested blocks count as the outermost. */
function disjoint(ranges: Ranges): Ranges {
  const result: (readonly [number, number])[] = [];
  for (const range of [...ranges].sort(([a], [b]) => a - b)) {
    if (range[0] >= (result.at(-1)?.[1] ?? 0)) result.push(range);
  }
  return result;
}

function common(a: Ranges, b: Ranges): Ranges {
  return a.flatMap(([from, to]) =>
    b.flatMap(([start, end]) =>
      Math.max(from, start) < Math.min(to, end) ? [[Math.max(from, start), Math.min(to, end)] as const] : [],
    ),
  );
}

function lengthOf(ranges: Ranges): number {
  return ranges.reduce((sum, [from, to]) => sum + to - from, 0);
}
