/** The cost of ten sandboxes to the host while nothing happens in them. */
import { setTimeout as delay } from "node:timers/promises";
import { shell } from "../../test/support/bundle.ts";
import { sandboxProcesses } from "../../test/support/sandbox.ts";
import type { BenchContext } from "../context.ts";
import { atMost, type Findings, median } from "../figures.ts";
import { cpuSeconds, privateDirtyMiB } from "../process-cost.ts";

export async function idle(context: BenchContext): Promise<Findings> {
  const { place, quick } = context;
  const count = quick ? 3 : 10;
  const seconds = quick ? 5 : 30;
  context.progress(`${count} sandboxes that do nothing, for ${seconds} s`);
  const bundle = await place.bundle(shell("while :; do sleep 1000; done"));
  const ids: string[] = [];
  // One after the other: on a host without KVM, ten boots at once would measure their own queue.
  for (let index = 0; index < count; index++) ids.push(await place.runDetached(bundle));
  // V8 collects garbage once more, some ten seconds after a start.
  await delay(15_000);
  const before = ids.map(costOf);
  await delay(seconds * 1000);
  const own = ids.map((id, index) => costOf(id).own - (before[index]?.own ?? 0));
  const qemu = ids.map((id, index) => costOf(id).qemu - (before[index]?.qemu ?? 0));
  const memory = ids.map(privateBesideQemu);
  for (const id of ids) await place.remove(id);
  return {
    figures: [
      { name: "private memory beside QEMU, of each idle sandbox", unit: "MiB", samples: memory },
      { name: `beside QEMU, of each in ${seconds} s`, unit: "CPU s", samples: own },
      { name: `QEMU with its guest, of each in ${seconds} s`, unit: "CPU s", samples: qemu },
    ],
    verdicts: [
      atMost("private memory beside QEMU, of each idle sandbox", median(memory), 20, "MiB"),
      atMost(
        "CPU time beside QEMU, of all idle sandboxes",
        own.reduce((sum, value) => sum + value, 0),
        0,
        "CPU s",
      ),
    ],
    notes: ["CPU time is counted in steps of 10 ms", "an emulated guest's own ticks are in QEMU's time"],
  };
}

function processesOf(id: string, qemu: boolean): number[] {
  return [...sandboxProcesses(id)].filter(([role]) => (role === "qemu") === qemu).flatMap(([, pids]) => pids);
}

function costOf(id: string): { readonly own: number; readonly qemu: number } {
  const sum = (pids: readonly number[]): number => pids.reduce((total, pid) => total + cpuSeconds(pid), 0);
  return { own: sum(processesOf(id, false)), qemu: sum(processesOf(id, true)) };
}

function privateBesideQemu(id: string): number {
  return processesOf(id, false).reduce((total, pid) => total + privateDirtyMiB(pid), 0);
}
