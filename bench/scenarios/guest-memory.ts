/**
 * The cost of room to grow, before the guest grows: its kernel reserves memory for each CPU and each piece of memory
 * that may be added. The figures are the same in every run, on every host.
 */
import { mkdirSync } from "node:fs";
import os from "node:os";
import type { QemuDriverOptions } from "../../src/hypervisor/qemu/options.ts";
import { qemuDriver } from "../../src/hypervisor/qemu/qemu-driver.ts";
import type { VmSpec } from "../../src/hypervisor/spec.ts";
import { Guest } from "../../test/support/guest.ts";
import { testOs } from "../../test/support/node-os.ts";
import { testQemu } from "../../test/support/qemu.ts";
import type { BenchContext } from "../context.ts";
import { atMost, type Figure, type Findings } from "../figures.ts";

/** The maximum of a machine type, which was the limit of older runtimes and cost their guests 75 MB. */
const mostVcpus = 240;
const memoryMiB = 2048;
const growth = { maxMiB: 16 * 1024, slots: 10 };
const options: QemuDriverOptions = {
  ...testQemu,
};

export async function guestMemory(context: BenchContext): Promise<Findings> {
  const usual = Math.max(2, os.availableParallelism());
  const fixed = await totalMiB(context, {});
  const lost = {
    cpus: fixed - (await totalMiB(context, { maxVcpus: usual })),
    most: fixed - (await totalMiB(context, { maxVcpus: mostVcpus })),
    memory: fixed - (await totalMiB(context, { memoryGrowth: growth })),
  };
  const one = (name: string, value: number): Figure => ({ name, unit: "MiB", samples: [value] });
  return {
    figures: [
      one("the guest's memory without room to grow", fixed),
      one(`lost to room for ${usual} vCPUs`, lost.cpus),
      one(`lost to room for ${mostVcpus} vCPUs`, lost.most),
      one(`lost to room for ${growth.maxMiB / 1024} GiB`, lost.memory),
    ],
    verdicts: [
      atMost("lost to room for a vCPU more", lost.cpus / (usual - 1), 0.5, "MiB"),
      atMost(`lost to room for ${growth.maxMiB / 1024} GiB`, lost.memory, 1, "MiB"),
    ],
    notes: [`MemTotal at boot, of ${memoryMiB} MiB`],
  };
}

/** MemTotal of a guest that has just booted. */
async function totalMiB({ place, progress }: BenchContext, changes: Partial<VmSpec>): Promise<number> {
  progress(`the guest's memory with ${JSON.stringify(changes)}`);
  const directory = place.path("guest");
  mkdirSync(directory);
  await using guest = await Guest.start(qemuDriver(testOs(), options), directory, { memoryMiB, ...changes });
  const kib = /^MemTotal:\s+(\d+) kB/m.exec(await guest.sh("cat /proc/meminfo"))?.[1];
  return Number(kib) / 1024;
}
