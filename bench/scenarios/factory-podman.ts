/** `podman run` on a template, alternating with runc. */
import { chmodSync, writeFileSync } from "node:fs";
import path from "node:path";
import { Podman } from "../../test/compat/podman/podman.ts";
import { execute } from "../../test/support/command.ts";
import { runtimePath } from "../../test/support/workplace.ts";
import { type BenchContext, rounds } from "../context.ts";
import { type Findings, median } from "../figures.ts";

/** @param config the runtime's configuration file */
export async function podmanOnTemplate(context: BenchContext, config: string): Promise<Findings> {
  const { status } = await execute(["sh", "-c", "command -v podman && command -v runc"]);
  if (status !== 0) return { figures: [], verdicts: [], notes: ["podman or runc is not installed: left out"] };
  context.progress("podman on a template, and with runc");
  const wrapper = path.join(context.place.directory, "kumite");
  writeFileSync(wrapper, `#!/bin/sh\nexec ${runtimePath} --config ${config} "$@"\n`);
  chmodSync(wrapper, 0o755);
  await using ours = await Podman.open(wrapper);
  await using runc = await Podman.open("runc");
  const [mine, theirs]: [number[], number[]] = [[], []];
  for (let round = 0; round < rounds(context, 9, 2); round++) {
    mine.push(await timed(ours));
    theirs.push(await timed(runc));
  }
  return {
    figures: [
      { name: "podman run, on a template", unit: "ms", samples: mine },
      { name: "podman run, runc", unit: "ms", samples: theirs },
      { name: "podman run on a template, over runc's", unit: "ratio", samples: [median(mine) / median(theirs)] },
    ],
    verdicts: [],
  };
}

async function timed(podman: Podman): Promise<number> {
  const { status, stderr, elapsedMs } = await podman.run([], ["true"]);
  if (status !== 0) throw new Error(stderr);
  return elapsedMs;
}
