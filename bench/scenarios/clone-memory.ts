/**
 * Memory of the host that each further clone takes: when its agent has answered, and with a running container. Shared
 * pages count in parts, so a single clone would be charged for all of them.
 */
import { loadConfig } from "../../src/config/load.ts";
import { usualShape } from "../../src/factory/usual-shape.ts";
import type { Bundle } from "../../test/support/bundle.ts";
import { testOs } from "../../test/support/node-os.ts";
import { processOf } from "../../test/support/sandbox.ts";
import { type AnsweringClone, startClone, stopClone } from "../agent-clone.ts";
import { type BenchContext, rounds } from "../context.ts";
import { atMost, type Findings, median } from "../figures.ts";
import { privateMiBOf, proportionalMiB } from "../process-cost.ts";

const qemuMiB = 25;
const guestMiB = 3;

/** @param bundle prints "up", and runs until it reads a line */
export async function cloneMemory(context: BenchContext, file: string, bundle: Bundle): Promise<Findings> {
  context.progress("memory of clones");
  const answering = await ofAnswering(context, file);
  const running = await ofRunning(context, file, bundle);
  return {
    figures: [...answering.figures, ...running.figures],
    verdicts: [...answering.verdicts, ...running.verdicts],
  };
}

async function ofAnswering(context: BenchContext, file: string): Promise<Findings> {
  const { place, installRoot } = context;
  const os = testOs();
  const config = await loadConfig(os, { installRoot, path: file });
  const shape = await usualShape(os);
  const clones: AnsweringClone[] = [];
  try {
    for (let count = 0; count < howMany(context); count++) {
      clones.push(await startClone(place.directory, config, shape));
    }
    return figuresOf(
      "whose agent has answered",
      clones.map(({ vm }) => vm.machine.pid),
    );
  } finally {
    await Promise.all(clones.map(stopClone));
  }
}

async function ofRunning(context: BenchContext, config: string, bundle: Bundle): Promise<Findings> {
  const { place } = context;
  const ids = Array.from({ length: howMany(context) }, () => place.newId());
  const argv = (id: string) => ["--config", config, "run", "--bundle", bundle.directory, id];
  const running = ids.map((id) => place.begin(argv(id), { stdin: "" }));
  for (const each of running) await each.untilOutput("up");
  const findings = figuresOf("with a container", await Promise.all(ids.map((id) => processOf(id, "qemu"))));
  for (const each of running) each.child.stdin?.end("\n");
  await Promise.all(running.map(({ finished }) => finished));
  return findings;
}

const howMany = (context: BenchContext): number => rounds(context, 6, 3);

function figuresOf(which: string, pids: readonly number[]): Findings {
  const all = pids.map(proportionalMiB);
  const guest = pids.map((pid) => privateMiBOf(pid, "memfd:kumite-template"));
  return {
    figures: [
      { name: `PSS of QEMU, each of ${pids.length} clones ${which}`, unit: "MiB", samples: all },
      { name: `guest's memory that a clone ${which} alone has`, unit: "MiB", samples: guest },
    ],
    verdicts: [
      atMost(`a further clone ${which}, PSS of QEMU`, median(all), qemuMiB, "MiB"),
      atMost(`a further clone ${which}, guest's memory of its own`, median(guest), guestMiB, "MiB"),
    ],
  };
}
