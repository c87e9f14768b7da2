/**
 * `describe` and `it` for tests that run on the small engine, with a report on standard output. Files named
 * `*.engine-test.ts` use it; `tools/engine/run-tests.ts` bundles and runs them.
 */
import { write } from "kumite:native";
import { encodeUtf8 } from "../../../util/text.ts";
import { describeFailure } from "../failure.ts";
import { onUncaught } from "../loop.ts";

interface Test {
  readonly title: string;
  readonly run: () => void | Promise<void>;
}

const tests: Test[] = [];
const groups: string[] = [];
/** Time limit of one test. It catches a test that hangs, not a slow host. */
const limitMs = 120_000;

export function describe(group: string, define: () => void): void {
  groups.push(group);
  define();
  groups.pop();
}

/** The title states a fact about the product. */
export function it(title: string, run: () => void | Promise<void>): void {
  tests.push({ title: [...groups, title].join(": "), run });
}

/** Runs all tests, one after the other, and returns the exit status. Running no test at all is a failure. */
export async function runTests(filter?: string): Promise<number> {
  const chosen = tests.filter(({ title }) => filter === undefined || title.includes(filter));
  let failed = 0;
  for (const [i, test] of chosen.entries()) {
    const error = await failureOf(test);
    if (error === undefined) print(`ok ${i + 1} - ${test.title}`);
    else {
      failed += 1;
      print(`not ok ${i + 1} - ${test.title}\n${indented(describeFailure(error))}`);
    }
  }
  print(`1..${chosen.length}\n# ${chosen.length - failed} passed, ${failed} failed`);
  if (chosen.length === 0) print("# no test was run, which is a failure");
  return failed > 0 || chosen.length === 0 ? 1 : 0;
}

async function failureOf(test: Test): Promise<unknown> {
  let strayed: unknown;
  onUncaught((error) => {
    strayed ??= error ?? new Error("uncaught");
  });
  try {
    await limited(test.run);
    // An uncaught error during the test counts as its failure.
    await new Promise<void>((resolve) => setTimeout(resolve, 0));
    return strayed;
  } catch (error) {
    return error ?? new Error("the test threw nothing");
  }
}

function limited(run: () => void | Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`not done after ${limitMs} ms`)), limitMs);
    const settled = (settle: () => void) => (): void => {
      clearTimeout(timer);
      settle();
    };
    Promise.resolve()
      .then(run)
      .then(settled(resolve), (error) => settled(() => reject(error))());
  });
}

function indented(text: string): string {
  return text.replace(/^/gm, "    ");
}

function print(text: string): void {
  const bytes = encodeUtf8(`${text}\n`);
  for (let done = 0; done < bytes.length; ) {
    const count = write(1, bytes, done, bytes.length - done);
    if (count < 0) return;
    done += count;
  }
}
