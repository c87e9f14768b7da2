/** 64 MiB of a container's standard output, through agent, shim and relay. */
import { shell } from "../../test/support/bundle.ts";
import { type BenchContext, rounds } from "../context.ts";
import { atLeast, type Findings, median } from "../figures.ts";

const mebibytes = 64;

export async function output(context: BenchContext): Promise<Findings> {
  const { place } = context;
  context.progress(`${mebibytes} MiB of output`);
  const bundle = await place.bundle(shell(`head -c ${mebibytes * 1024 * 1024} /dev/zero`));
  const samples: number[] = [];
  for (let round = 0; round < rounds(context, 5, 2); round++) {
    const running = place.begin(["run", "--bundle", bundle.directory, place.newId()]);
    let [first, last] = [Number.NaN, Number.NaN];
    running.child.stdout?.on("data", () => {
      last = performance.now();
      if (Number.isNaN(first)) first = last;
    });
    const { stdoutBytes } = await running.finished;
    if (stdoutBytes.length !== mebibytes * 1024 * 1024) throw new Error(`${stdoutBytes.length} bytes came`);
    samples.push(mebibytes / ((last - first) / 1000));
  }
  return {
    figures: [{ name: `${mebibytes} MiB of a container's output`, unit: "MiB/s", samples }],
    verdicts: [atLeast("a container's output", median(samples), 100, "MiB/s")],
    notes: ["from the first byte to the last, as the reader of the command sees them"],
  };
}
