/** CreateContainer and StartContainer in an idle guest, as the agent's client sees them. */
import { rename } from "node:fs/promises";
import path from "node:path";
import { succeed } from "../../test/support/command.ts";
import { type BenchContext, rounds } from "../context.ts";
import { atMost, type Findings, median } from "../figures.ts";

/** The first containers are slower, because code of guest and agent runs for the first time. */
const warmUp = 2;

export async function container(context: BenchContext): Promise<Findings> {
  context.progress("create and start of a container in an idle guest");
  const bundle = await context.place.bundle((config) => {
    config.process.args = ["/bin/true"];
  });
  await succeed(["mkdir", path.join(bundle.directory, "share")]);
  await rename(bundle.rootfs, path.join(bundle.directory, "share/rootfs"));
  const count = warmUp + rounds(context, 20, 5);
  const worker = path.resolve(import.meta.dirname, "../guest-worker.ts");
  const { stdout } = await succeed(
    [process.execPath, "--import", "tsx", worker, context.installRoot, bundle.directory, String(count)],
    { timeoutMs: 240_000 },
  );
  const samples = JSON.parse(stdout) as number[];
  const warm = samples.slice(warmUp);
  return {
    figures: [
      { name: "create and start, the first of a machine", unit: "ms", samples: samples.slice(0, 1) },
      { name: "create and start, warm", unit: "ms", samples: warm },
    ],
    verdicts: [atMost("create and start of a container in an idle guest", median(warm), 30, "ms")],
    notes: ["at the agent, without verbs, shim and relay; root file system by virtio-fs"],
  };
}
