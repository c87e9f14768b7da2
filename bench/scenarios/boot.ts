/** From the command to the container's first byte, alternating with the floor of the same QEMU, kernel and options. */
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { type Bundle, shell } from "../../test/support/bundle.ts";
import { processOf } from "../../test/support/sandbox.ts";
import { bootToAgent } from "../agent-boot.ts";
import { type BenchContext, rounds } from "../context.ts";
import { atMost, type Figure, type Findings, median } from "../figures.ts";
import { asTheProduct } from "../floor/as-the-product.ts";
import { type BootCost, bootFloor } from "../floor/run.ts";
import { cpuSeconds } from "../process-cost.ts";
import { ownCost } from "./sandbox-cost.ts";

export async function boot(context: BenchContext): Promise<Findings> {
  const { place } = context;
  context.progress("run to first byte, beside the floor");
  const bundle = await place.bundle(shell("echo up; read line"));
  const floorOptions = await asTheProduct(context, bundle);
  const floor: BootCost[] = [];
  const agent: BootCost[] = [];
  const product: ProductBoot[] = [];
  for (let round = 0; round < rounds(context, 9, 3); round++) {
    floor.push(await bootFloor(floorOptions));
    agent.push(await bootToAgent(place.directory));
    product.push(await bootProduct(context, bundle));
  }
  return judge(floor, agent, product, await installedKernel(context));
}

interface ProductBoot extends BootCost {
  /** CPU time of all other processes of the sandbox. */
  readonly otherCpuSeconds: number;
  readonly timeline: Readonly<Record<string, number>>;
}

function judge(
  floor: readonly BootCost[],
  agent: readonly BootCost[],
  product: readonly ProductBoot[],
  kernel: string,
): Findings {
  const figure = (name: string, unit: Figure["unit"], samples: readonly number[]): Figure => ({ name, unit, samples });
  const wall = { floor: floor.map((boot) => boot.wallMs), product: product.map((boot) => boot.wallMs) };
  const cpu = { floor: floor.map((b) => b.qemuCpuSeconds), product: product.map((b) => b.qemuCpuSeconds) };
  const agentCpu = agent.map((boot) => boot.qemuCpuSeconds);
  const agentRatio = median(agentCpu) / median(cpu.floor);
  const ratio = median(cpu.product) / median(cpu.floor);
  const extra = median(wall.product) - median(wall.floor);
  return {
    figures: [
      figure("floor to its byte, wall", "ms", wall.floor),
      figure("run to first byte, wall", "ms", wall.product),
      figure("floor, QEMU", "CPU s", cpu.floor),
      figure("boot to agent, QEMU", "CPU s", agentCpu),
      figure("run to first byte, QEMU", "CPU s", cpu.product),
      figure(
        "run to first byte, other processes of the sandbox",
        "CPU s",
        product.map((boot) => boot.otherCpuSeconds),
      ),
    ],
    verdicts: [
      atMost("boot to agent, QEMU's CPU time over the floor's", agentRatio, 1.2, "ratio"),
      atMost("run to first byte, QEMU's CPU time over the floor's", ratio, 1.6, "ratio"),
      atMost("run to first byte, wall beyond the floor", extra, 400, "ms"),
    ],
    timeline: medianTimeline(product.map((boot) => boot.timeline)),
    notes: [`the kernel is ${kernel}`, "the floor has no file-sharing device and no daemon for one"],
  };
}

async function bootProduct({ place }: BenchContext, bundle: Bundle): Promise<ProductBoot> {
  const id = place.newId();
  const began = performance.now();
  const running = place.begin(["run", "--bundle", bundle.directory, id], { stdin: "" });
  let wallMs = Number.NaN;
  running.child.stdout?.once("data", () => {
    wallMs = performance.now() - began;
  });
  await running.untilOutput("up");
  const qemu = await processOf(id, "qemu");
  const cost = {
    wallMs,
    qemuCpuSeconds: cpuSeconds(qemu),
    otherCpuSeconds: ownCost(id),
    timeline: timelineOf(path.join(place.root, id, "state.json")),
  };
  running.child.stdin?.end("\n");
  await running.finished;
  return cost;
}

async function installedKernel({ installRoot }: BenchContext): Promise<string> {
  const text = await readFile(path.join(installRoot, "install.json"), "utf8");
  const { kernel, kernelVersion } = JSON.parse(text) as { kernel: string; kernelVersion: string };
  return `${kernelVersion} (${kernel})`;
}

function timelineOf(file: string): Record<string, number> {
  return (JSON.parse(readFileSync(file, "utf8")) as { timeline: Record<string, number> }).timeline;
}

function medianTimeline(timelines: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const names = Object.keys(timelines[0] ?? {});
  return Object.fromEntries(names.map((name) => [name, median(timelines.map((line) => line[name] ?? Number.NaN))]));
}
