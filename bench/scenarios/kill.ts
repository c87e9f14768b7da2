/** From the call of `kill` to the end of the process that an engine waits for. */
import { shell } from "../../test/support/bundle.ts";
import { asEngine } from "../../test/support/engine.ts";
import { type BenchContext, rounds } from "../context.ts";
import { atMost, type Findings, median } from "../figures.ts";

export async function kill(context: BenchContext): Promise<Findings> {
  const { place } = context;
  context.progress("kill to exit seen");
  const bundle = await place.bundle(shell("while :; do sleep 1000; done"));
  const samples: number[] = [];
  for (let round = 0; round < rounds(context, 7, 2); round++) {
    const id = place.newId();
    const pidFile = place.path("pid");
    const engine = await asEngine(
      place.argv("run", "--detach", "--bundle", bundle.directory, "--pid-file", pidFile, id),
      pidFile,
    );
    if ((await engine.verbStatus) !== 0) throw new Error(engine.errors());
    const seen = engine.processStatus.then(() => performance.now());
    const began = performance.now();
    await place.must(["kill", id, "KILL"]);
    samples.push((await seen) - began);
    await place.remove(id);
  }
  return {
    figures: [{ name: "kill to exit seen", unit: "ms", samples }],
    verdicts: [atMost("kill to exit seen", median(samples), 100, "ms")],
  };
}
