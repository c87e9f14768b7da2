/**
 * From the death of each process of a sandbox until nothing of it is left: the time of `delete --force` after a crash.
 */
import { shell } from "../../test/support/bundle.ts";
import { processOf, roles, sandboxProcesses } from "../../test/support/sandbox.ts";
import { type BenchContext, rounds } from "../context.ts";
import { atMost, type Figure, type Findings, median } from "../figures.ts";

export async function recovery(context: BenchContext): Promise<Findings> {
  const { place } = context;
  context.progress("recovery after kill -9");
  const bundle = await place.bundle(shell("while :; do sleep 1000; done"));
  const figures: Figure[] = [];
  for (const role of roles) {
    const samples: number[] = [];
    for (let round = 0; round < rounds(context, 5, 1); round++) {
      const id = await place.runDetached(bundle);
      const pid = await processOf(id, role);
      const began = performance.now();
      process.kill(pid, "SIGKILL");
      await place.must(["delete", "--force", id]);
      samples.push(performance.now() - began);
      if (sandboxProcesses(id).size > 0) throw new Error(`something of ${id} lives after its deletion`);
    }
    figures.push({ name: `recovery after the death of the ${role}`, unit: "ms", samples });
  }
  const slowest = Math.max(...figures.map(({ samples }) => median(samples)));
  return { figures, verdicts: [atMost("recovery after the death of any process", slowest, 1000, "ms")] };
}
