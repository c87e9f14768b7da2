/** Which of the product's code ran, from V8's own counters: no instrumentation, no native add-on. */
import inspector from "node:inspector";

type FunctionCoverage = inspector.Profiler.FunctionCoverage;

/** Half-open, in characters of a script; sorted and apart from each other. */
type Ranges = readonly (readonly [from: number, to: number])[];

const watched = /\/src\/|node_modules\/(smol-toml|@bufbuild|valibot)/;

export class Coverage {
  readonly #session = new inspector.Session();
  /** Of each function that was called: what of it never ran. */
  readonly #missing = new Map<string, Ranges>();

  start(): void {
    this.#session.connect();
    this.#session.post("Profiler.enable");
    // Whether, not how often: which is fast enough to be asked after each input.
    this.#session.post("Profiler.startPreciseCoverage", { callCount: false, detailed: true });
    this.takeNew();
  }

  /** Whether anything ran since the last call that had not run before it. */
  takeNew(): boolean {
    let isNew = false;
    // Synchronous: the session is this thread's own.
    this.#session.post("Profiler.takePreciseCoverage", (error, answer) => {
      if (error !== null) throw error;
      for (const { scriptId, url, functions } of answer.result) {
        if (!watched.test(url)) continue;
        for (const one of functions) isNew = this.#add(scriptId, one) || isNew;
      }
    });
    return isNew;
  }

  /** How many functions were called. */
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

/** Blocks lie in each other: the outer ones count. */
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
