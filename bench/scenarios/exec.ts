/** A hundred `exec true` in one container, next to the bare start of the command line. */
import { shell } from "../../test/support/bundle.ts";
import type { BenchContext } from "../context.ts";
import { atMost, type Findings, median } from "../figures.ts";

const count = 100;
const window = 10;

export async function exec(context: BenchContext): Promise<Findings> {
  const { place } = context;
  context.progress(`exec true, ${count} times`);
  const id = await place.runDetached(await place.bundle(shell("while :; do sleep 1000; done")));
  const executions: number[] = [];
  const starts: number[] = [];
  for (let round = 0; round < count; round++) {
    executions.push((await place.must(["exec", id, "true"])).elapsedMs);
    if (round < window || round >= count - window) starts.push((await place.must(["--version"])).elapsedMs);
  }
  await place.remove(id);
  const first = executions.slice(0, window);
  const last = executions.slice(-window);
  return {
    figures: [
      { name: "start of the command line (--version)", unit: "ms", samples: starts },
      { name: `exec true, the first ${window}`, unit: "ms", samples: first },
      { name: `exec true, the last ${window} of ${count}`, unit: "ms", samples: last },
    ],
    verdicts: [
      atMost(
        "exec true beyond the start of the command line",
        median(first) - median(starts.slice(0, window)),
        60,
        "ms",
      ),
      atMost(`exec true, the ${count}th, beyond the same`, median(last) - median(starts.slice(window)), 60, "ms"),
    ],
  };
}
