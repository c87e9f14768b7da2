/** A container as engines ask for it (20 mounts, 40 device rules, podman's seccomp profile), next to a plain one. */
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { podmanProfile } from "../../src/seccomp/testing/podman-profile.testing.ts";
import { type Bundle, type OciConfig, shell } from "../../test/support/bundle.ts";
import { processOf } from "../../test/support/sandbox.ts";
import { type BenchContext, rounds } from "../context.ts";
import { type Figure, type Findings, median } from "../figures.ts";
import { cpuSeconds } from "../process-cost.ts";

const mounts = 20;
const deviceRules = 40;

interface Start {
  readonly wallMs: number;
  readonly cpuSeconds: number;
}

export async function fullContainer(context: BenchContext): Promise<Findings> {
  const { place } = context;
  context.progress(`a container with ${mounts} mounts, ${deviceRules} device rules and a seccomp profile`);
  const volumes = place.path("volumes");
  for (let index = 0; index < mounts; index++) await mkdir(path.join(volumes, String(index)), { recursive: true });
  const plain = await place.bundle(shell("echo up; read line"));
  const full = await place.bundle(shell("echo up; read line"), (config) => ask(config, volumes));
  const starts = { plain: [] as Start[], full: [] as Start[] };
  for (let round = 0; round < rounds(context, 7, 2); round++) {
    starts.plain.push(await start(context, plain));
    starts.full.push(await start(context, full));
  }
  const wall = (which: keyof typeof starts): number[] => starts[which].map(({ wallMs }) => wallMs);
  const cpu = (which: keyof typeof starts): number[] => starts[which].map((each) => each.cpuSeconds);
  const figure = (name: string, unit: Figure["unit"], samples: readonly number[]): Figure => ({ name, unit, samples });
  return {
    figures: [
      figure("a plain container to its first byte", "ms", wall("plain")),
      figure("a full one", "ms", wall("full")),
      figure("a plain one, QEMU's CPU time", "CPU s", cpu("plain")),
      figure("a full one, QEMU's CPU time", "CPU s", cpu("full")),
      figure("a full one's CPU time over a plain one's", "ratio", [median(cpu("full")) / median(cpu("plain"))]),
    ],
    verdicts: [],
    notes: ["half of the mounts are binds of the host, half are tmpfs; the machine's boot is part of both"],
  };
}

/** Device rules go from the general to the specific, as with runc. */
function ask(config: OciConfig, volumes: string): void {
  for (let index = 0; index < mounts; index++) {
    const destination = `/mnt/${index}`;
    config.mounts.push(
      index % 2 === 0
        ? { destination, type: "bind", source: path.join(volumes, String(index)), options: ["rbind", "rw"] }
        : { destination, type: "tmpfs", source: "tmpfs", options: ["nosuid", "nodev", "size=64k"] },
    );
  }
  const rules = Array.from({ length: deviceRules - 1 }, (_, minor) => ({
    allow: true,
    type: "c",
    major: 200,
    minor,
    access: "rw",
  }));
  config.linux.resources = { ...config.linux.resources, devices: [{ allow: false, access: "rwm" }, ...rules] };
  config.linux.seccomp = podmanProfile();
}

async function start({ place }: BenchContext, bundle: Bundle): Promise<Start> {
  const id = place.newId();
  const began = performance.now();
  const running = place.begin(["run", "--bundle", bundle.directory, id], { stdin: "" });
  let wallMs = Number.NaN;
  running.child.stdout?.once("data", () => {
    wallMs = performance.now() - began;
  });
  await running.untilOutput("up");
  const cost = { wallMs, cpuSeconds: cpuSeconds(await processOf(id, "qemu")) };
  running.child.stdin?.end("\n");
  await running.finished;
  return cost;
}
