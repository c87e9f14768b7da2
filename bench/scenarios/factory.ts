/**
 * Clones of a template and VMs of the cache, alternating with cold starts and with the floor of a restore. Containers
 * have the root file system of a default start: an image on a disk if the host can make one.
 */
import { writeFileSync } from "node:fs";
import path from "node:path";
import { loadConfig } from "../../src/config/load.ts";
import { usualShape } from "../../src/factory/usual-shape.ts";
import { type Bundle, shell } from "../../test/support/bundle.ts";
import { execute, succeed } from "../../test/support/command.ts";
import { eventually } from "../../test/support/eventually.ts";
import { testOs } from "../../test/support/node-os.ts";
import { runtimePath } from "../../test/support/workplace.ts";
import { cloneToAgent, startClone, stopClone } from "../agent-clone.ts";
import { type BenchContext, rounds } from "../context.ts";
import { atMost, type Figure, type Findings, median, percentile, type Unit, type Verdict } from "../figures.ts";
import { asTheProduct } from "../floor/as-the-product.ts";
import { type AnsweringFloor, FloorTemplate } from "../floor/restore.ts";
import type { BootCost } from "../floor/run.ts";
import { cloneMemory } from "./clone-memory.ts";
import { podmanOnTemplate } from "./factory-podman.ts";
import { FirstBytes } from "./first-bytes.ts";

const atOnce = 10;

export async function factory(context: BenchContext): Promise<Findings> {
  const { place, progress } = context;
  progress("a template, and machines that go on from it");
  const store = path.join(place.directory, "templates");
  const configs = {
    template: writeConfig(context, "template", "enable_template = true", store),
    cache: writeConfig(context, "cache", "vm_cache_number = 1", store),
  };
  const long = await place.bundle(shell("echo up; read line"));
  const bundle = await place.bundle(shell("echo up"));
  try {
    const made = await makeTemplate(configs.template);
    using floor = await FloorTemplate.make(await asTheProduct(context, long));
    const parts = [
      made,
      await toAgent(context, configs.template, floor),
      await toFirstByte(context, configs, bundle),
      await cloneMemory(context, configs.template, long),
      await podmanOnTemplate(context, configs.template),
    ];
    return merged(parts);
  } finally {
    for (const config of Object.values(configs)) await execute([runtimePath, "--config", config, "factory", "destroy"]);
  }
}

function writeConfig({ place }: BenchContext, name: string, line: string, store: string): string {
  const file = path.join(place.directory, `${name}.toml`);
  const guest = `[runtime]
rootfs_writes = "guest"
rootfs_image_directory = "${place.directory}/images"
rootfs_upper_directory = "${place.directory}/uppers"`;
  const lines = [
    "[factory]",
    line,
    `template_path = "${store}"`,
    `vm_cache_endpoint = "${place.directory}/cache.sock"`,
    ...(name === "template" ? [guest] : []),
  ];
  writeFileSync(file, `${lines.join("\n")}\n`);
  return file;
}

async function makeTemplate(config: string): Promise<Findings> {
  const { stdout } = await succeed([runtimePath, "--config", config, "factory", "init", "--json"]);
  const { template } = JSON.parse(stdout) as { template: Record<"keeper" | "buildMs" | "stateBytes", number> };
  const { keeper, buildMs, stateBytes } = template;
  // No process has its memory mapped, so its memory is that of its files.
  const find = ["find", "-L", `/proc/${keeper}/fd`, "-type", "f", "-size", "+0", "-printf", "%k\\n"];
  const kibibytes = (await succeed(find)).stdout.trim().split("\n").map(Number);
  return {
    figures: [
      one("making a template", "ms", buildMs),
      one("memory of a template", "MiB", kibibytes.reduce((sum, size) => sum + size, 0) / 1024),
      one("state of its devices", "MB", stateBytes / 1e6),
    ],
    verdicts: [],
  };
}

async function toAgent(context: BenchContext, file: string, floor: FloorTemplate): Promise<Findings> {
  const { place, installRoot, progress } = context;
  const os = testOs();
  const config = await loadConfig(os, { installRoot, path: file });
  const shape = await usualShape(os);
  const clone = () => cloneToAgent(place.directory, config, shape);
  const costs: { readonly floor: BootCost[]; readonly clone: BootCost[] } = { floor: [], clone: [] };
  progress("clone to its agent's answer, beside the floor");
  for (let round = 0; round < rounds(context, 25, 5); round++) {
    costs.floor.push(await floor.restore());
    costs.clone.push(await clone());
  }
  const together: { readonly floor: number[]; readonly clone: number[] } = { floor: [], clone: [] };
  for (let round = 0; round < rounds(context, 5, 1); round++) {
    const stopFloor = (started: AnsweringFloor) => started[Symbol.asyncDispose]();
    together.floor.push(await untilAllAnswer(() => floor.start(), stopFloor));
    together.clone.push(await untilAllAnswer(() => startClone(place.directory, config, shape), stopClone));
  }
  const wall = (of: readonly BootCost[]) => of.map(({ wallMs }) => wallMs);
  const cpu = (of: readonly BootCost[]) => of.map(({ qemuCpuSeconds }) => qemuCpuSeconds);
  const over = (a: readonly number[], b: readonly number[]) => median(a) / median(b);
  return {
    figures: [
      { name: "floor of a restore, wall", unit: "ms", samples: wall(costs.floor) },
      { name: "clone to its agent's answer, wall", unit: "ms", samples: wall(costs.clone) },
      { name: "floor of a restore, QEMU", unit: "CPU s", samples: cpu(costs.floor) },
      { name: "clone to its agent's answer, QEMU", unit: "CPU s", samples: cpu(costs.clone) },
      { name: `${atOnce} floors at once`, unit: "ms", samples: together.floor },
      { name: `${atOnce} clones at once`, unit: "ms", samples: together.clone },
    ],
    verdicts: [
      atMost("clone to its agent's answer over the floor", over(wall(costs.clone), wall(costs.floor)), 1.5, "ratio"),
      atMost(`${atOnce} clones at once over ${atOnce} floors`, over(together.clone, together.floor), 2, "ratio"),
    ],
  };
}

async function toFirstByte(
  context: BenchContext,
  configs: Readonly<Record<"template" | "cache", string>>,
  bundle: Bundle,
): Promise<Findings> {
  context.progress("run to first byte: cold, on a template, from the cache");
  const cache = [runtimePath, "--config", configs.cache, "factory"];
  const cold = new FirstBytes(context, bundle, []);
  const clone = new FirstBytes(context, bundle, ["--config", configs.template]);
  const cached = new FirstBytes(context, bundle, ["--config", configs.cache]);
  // The first run makes the image.
  await clone.sample();
  clone.forget();
  await succeed([...cache, "init"]);
  const coldRounds = rounds(context, 20, 2);
  const clonesForEach = rounds(context, 5, 3);
  for (let round = 0; round < coldRounds; round++) {
    await cold.sample();
    for (let count = 0; count < clonesForEach; count++) await clone.sample();
    await eventually("a machine of the cache", async () => {
      const { stdout } = await succeed([...cache, "status", "--json"]);
      const { machines } = (JSON.parse(stdout) as { cache: { machines: unknown[] } }).cache;
      return machines.length > 0 ? true : undefined;
    });
    await cached.sample();
  }
  await succeed([...cache, "destroy"]);
  await succeed([runtimePath, "--config", configs.template, "factory", "init"]);
  const figures = [
    cold.figure("run to first byte, cold"),
    clone.figure("run to first byte, on a template"),
    cached.figure("run to first byte, from the cache"),
  ];
  const last = [50, 95, 99].map((percent) =>
    one(`on a template, p${percent} of ${clone.samples.length}`, "ms", percentile(clone.samples, percent)),
  );
  const verdicts: Verdict[] = [
    atMost("run on a template over a cold one", median(clone.samples) / median(cold.samples), 0.25, "ratio"),
    atMost("run on a template to first byte", median(clone.samples), 250, "ms"),
    atMost("run from the cache to first byte", median(cached.samples), 200, "ms"),
  ];
  const phases = { cold: cold.phases(), "on a template": clone.phases(), "from the cache": cached.phases() };
  return { figures: [...figures, ...last], verdicts, phases };
}

/** Starts several at once. Returns how long it takes until all have answered; they are stopped afterwards. */
async function untilAllAnswer<T>(start: () => Promise<T>, stop: (started: T) => PromiseLike<void>): Promise<number> {
  const began = performance.now();
  const started = await Promise.all(Array.from({ length: atOnce }, start));
  const wallMs = performance.now() - began;
  await Promise.all(started.map(stop));
  return wallMs;
}

function one(name: string, unit: Unit, value: number): Figure {
  return { name, unit, samples: [value] };
}

function merged(parts: readonly Findings[]): Findings {
  return {
    figures: parts.flatMap(({ figures }) => figures),
    verdicts: parts.flatMap(({ verdicts }) => verdicts),
    phases: Object.assign({}, ...parts.map(({ phases }) => phases ?? {})),
    notes: parts.flatMap(({ notes }) => notes ?? []),
  };
}
