/** A thousand `exec true` in one container: how long each takes, and what has grown on either side afterwards. */
import { setTimeout as delay } from "node:timers/promises";
import { shell } from "../../test/support/bundle.ts";
import { type Footprint, footprint, seesTheAgent } from "../../test/support/footprint.ts";
import { processOf } from "../../test/support/sandbox.ts";
import { type BenchContext, rounds } from "../context.ts";
import { atMost, type Figure, type Findings, percentile } from "../figures.ts";
import { privateDirtyMiB, residentMiB } from "../process-cost.ts";

/** Not counted, because code and heaps are used for the first time. */
const warmUp = 50;
/** After this time without a request a shim has collected its garbage. */
const restMs = 5000;

export async function manyExecs(context: BenchContext): Promise<Findings> {
  const { place } = context;
  const count = rounds(context, 1000, 200);
  context.progress(`exec true, ${count} times, and what grows`);
  const id = await place.runDetached(await place.bundle(shell("while :; do sleep 1000; done"), seesTheAgent));
  const qemu = await processOf(id, "qemu");
  const shim = await processOf(id, "shim");
  for (let round = 0; round < warmUp; round++) await place.must(["exec", id, "true"]);
  const look = async (): Promise<Footprint> => {
    const found = await footprint(place, id);
    await delay(restMs);
    return { ...found, "shim KiB": privateDirtyMiB(shim) * 1024, "qemu KiB": residentMiB(qemu) * 1024 };
  };
  const before = await look();
  const samples: number[] = [];
  for (let round = 0; round < count; round++) samples.push((await place.must(["exec", id, "true"])).elapsedMs);
  const after = await look();
  await place.remove(id);
  const at = (percent: number): Figure => ({
    name: `exec true, ${count} times, p${percent}`,
    unit: "ms",
    samples: [percentile(samples, percent)],
  });
  const grown = growthOf(before, after);
  const counts = grown.filter(({ unit }) => unit === "count").reduce((sum, { samples: [more = 0] }) => sum + more, 0);
  return {
    figures: [at(50), at(95), at(99), ...grown],
    verdicts: [
      atMost(`growth of processes, descriptors and cgroups over ${count} execs`, counts, 0, "count"),
      atMost(
        `growth of the shim's memory over ${count} execs`,
        ((after["shim KiB"] ?? 0) - (before["shim KiB"] ?? 0)) / 1024,
        1,
        "MiB",
      ),
    ],
    notes: [
      `growth after the first ${warmUp}; memory is resident memory, of the shim at rest what it alone has written`,
      "QEMU's is the guest's caches and, under emulation, up to 256 MiB of translated code",
    ],
  };
}

function growthOf(before: Footprint, after: Footprint): Figure[] {
  return Object.entries(after).map(([name, value]) => {
    const more = value - (before[name] ?? 0);
    return name.endsWith(" KiB")
      ? { name: `growth of ${name.replace(/ KiB$/, "")} memory`, unit: "MiB", samples: [more / 1024] }
      : { name: `growth of ${name}`, unit: "count", samples: [more] };
  });
}
