/**
 * `podman run` and `podman exec` with this runtime and with runc, alternating: the extra cost of a container in a VM.
 */
import { Podman } from "../../test/compat/podman/podman.ts";
import { execute } from "../../test/support/command.ts";
import { runtimePath } from "../../test/support/workplace.ts";
import { type BenchContext, rounds } from "../context.ts";
import { type Figure, type Findings, median } from "../figures.ts";

export async function podman(context: BenchContext): Promise<Findings> {
  const { status } = await execute(["sh", "-c", "command -v podman && command -v runc"]);
  if (status !== 0) return { figures: [], verdicts: [], notes: ["podman or runc is not installed: left out"] };
  context.progress("podman with this runtime and with runc");
  await using ours = await Measured.open(runtimePath);
  await using runc = await Measured.open("runc");
  for (let round = 0; round < rounds(context, 9, 2); round++) {
    for (const each of [ours, runc]) await each.sample();
  }
  const ratio = (name: string, samples: (of: Measured) => number[]): Figure => ({
    name: `${name}, over runc's`,
    unit: "ratio",
    samples: [median(samples(ours)) / median(samples(runc))],
  });
  return {
    figures: [
      ...ours.figures("kumite"),
      ...runc.figures("runc"),
      ratio("podman run", ({ runs }) => runs),
      ratio("podman exec", ({ execs }) => execs),
    ],
    verdicts: [],
    notes: ["both without a network; podman's own part of it is in both"],
  };
}

class Measured implements AsyncDisposable {
  readonly runs: number[] = [];
  readonly execs: number[] = [];
  private constructor(
    private readonly podman: Podman,
    private readonly container: string,
  ) {}

  static async open(runtime: string): Promise<Measured> {
    const podman = await Podman.open(runtime);
    return new Measured(podman, await podman.start([], ["sleep", "100000"]));
  }

  async sample(): Promise<void> {
    const run = await this.podman.run([], ["true"]);
    if (run.status !== 0) throw new Error(run.stderr);
    this.runs.push(run.elapsedMs);
    this.execs.push((await this.podman.must(["exec", this.container, "true"])).elapsedMs);
  }

  figures(runtime: string): Figure[] {
    return [
      { name: `podman run, ${runtime}`, unit: "ms", samples: this.runs },
      { name: `podman exec, ${runtime}`, unit: "ms", samples: this.execs },
    ];
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.podman[Symbol.asyncDispose]();
  }
}
