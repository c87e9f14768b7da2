/** Library sandboxes: a cold start next to a restore and a fork, and the memory of each further copy. */
import { readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { type LiveSandbox, openSandbox, openSnapshot } from "../../src/index.ts";
import { type BenchContext, rounds } from "../context.ts";
import type { Figure, Findings, Unit } from "../figures.ts";

const copies = 4;
/** The first command that a program runs in a sandbox. */
const first = ["true"] as const;

export async function snapshot(context: BenchContext): Promise<Findings> {
  const { place } = context;
  context.progress("a sandbox of the library: cold, saved, restored, forked");
  const options = {
    rootfs: path.join((await place.bundle()).directory, "rootfs"),
    memoryMiB: 256,
    root: place.path("root"),
    set: ["factory.enable_template=false"],
  };
  const found = new Map<string, { readonly unit: Unit; readonly samples: number[] }>();
  const add = (name: string, unit: Unit, sample: number): void => {
    const figure = found.get(name) ?? { unit, samples: [] };
    figure.samples.push(sample);
    found.set(name, figure);
  };
  const timed = async <T>(name: string, work: () => Promise<T>): Promise<T> => {
    const startMs = performance.now();
    const result = await work();
    add(name, "ms", performance.now() - startMs);
    return result;
  };
  const ready = async (opening: Promise<LiveSandbox>): Promise<LiveSandbox> => {
    const sandbox = await opening;
    await sandbox.run(first);
    return sandbox;
  };
  for (let round = 0; round < rounds(context, 5, 1); round++) {
    const directory = place.path("snapshot");
    await using original = await timed("cold start to the end of a first process", () => ready(openSandbox(options)));
    await timed("save to a directory", () => original.save(directory));
    await using opened = await timed("open the directory", () => openSnapshot(directory, options));
    {
      await using _copy = await timed("restore to the end of a first process", () => ready(opened.restore()));
    }
    {
      await using _copy = await timed("fork to the end of a first process", () => ready(original.fork()));
    }
    const forks = await original.forkMany(copies);
    try {
      await Promise.all(forks.map((fork) => fork.run(first)));
      for (const fork of forks) add(`memory of each of ${copies} forks (PSS of QEMU)`, "MiB", pssMiB(fork));
      add("memory of the original (PSS of QEMU)", "MiB", pssMiB(original));
    } finally {
      await Promise.all(forks.map((fork) => fork.close()));
    }
    rmSync(directory, { recursive: true });
  }
  const figures = [...found].map(([name, figure]): Figure => ({ name, ...figure }));
  return { figures, verdicts: [], notes: ["a machine of 256 MiB; a first process is a busybox that ends at once"] };
}

/** PSS of QEMU: shared memory counts in parts. */
function pssMiB({ machinePid }: LiveSandbox): number {
  const rollup = readFileSync(`/proc/${machinePid}/smaps_rollup`, "utf8");
  return Number(/^Pss: +(\d+) kB$/m.exec(rollup)?.[1]) / 1024;
}
