/** Adds vCPUs to a running VM, and removes added ones in reverse order. */
import { messageOf } from "../../../util/errors.ts";
import { pathOfNamed } from "../qmp/device-events.ts";
import type { VcpuSlot } from "../qmp/hotplug-commands.ts";
import { type PlugContext, removeDevice } from "./context.ts";
import { plugFailed } from "./failure.ts";

const pluggedPath = new RegExp(`^${pathOfNamed}cpu-(\\d+)$`);

/** As `MachinePlug.addVcpus`. */
export async function addVcpus(context: PlugContext, count: number, signal?: AbortSignal): Promise<number> {
  const { monitor, accelerator, log } = context;
  const slots = await monitor.execute("query-hotpluggable-cpus", {}, { signal });
  const free = slots.filter(({ path }) => path === undefined).sort(byPlace);
  const wanted = Math.min(count, free.length);
  if (wanted < count) {
    log("warn", `the VM can have ${slots.length} vCPUs: ${wanted} of ${count} more are added`, { wanted, count });
  }
  let number = Math.max(-1, ...slots.map(numberOf)) + 1;
  let added = 0;
  const failures: string[] = [];
  for (const { type, place } of free) {
    if (added === wanted) break;
    try {
      await monitor.execute("device_add", { driver: type, id: `cpu-${number}`, ...place }, { signal });
      number += 1;
      added += 1;
    } catch (error) {
      failures.push(messageOf(error));
      // Emulated interrupt controllers search for an interrupt's target only up to the first empty place. A vCPU behind
      // such a gap would get no interrupts, and the guest would wait for it for ever. With KVM another place may work.
      if (accelerator === "tcg") break;
    }
  }
  if (added === wanted) return added;
  throw plugFailed(`failed to hot add vCPUs: only ${added} vCPUs of ${wanted} were added`, {
    data: { added },
    cause: new Error(failures[0]),
  });
}

/** As `MachinePlug.removeVcpus`. */
export async function removeVcpus(context: PlugContext, count: number, signal?: AbortSignal): Promise<number> {
  const slots = await context.monitor.execute("query-hotpluggable-cpus", {}, { signal });
  const plugged = slots.map(numberOf).filter((number) => number >= 0);
  if (plugged.length < count) {
    throw plugFailed(`${count} vCPUs cannot be removed: only ${plugged.length} were added to the running VM`, {
      data: { removed: 0 },
    });
  }
  const last = plugged.sort((a, b) => b - a).slice(0, count);
  for (const [removed, number] of last.entries()) {
    try {
      await removeDevice(context, `cpu-${number}`, signal, "lapic");
    } catch (cause) {
      throw plugFailed(`failed to hot remove vCPUs: only ${removed} vCPUs of ${count} were removed`, {
        data: { removed },
        cause,
      });
    }
  }
  return count;
}

/** The number of a vCPU that we added; -1 for any other place. */
function numberOf({ path = "" }: VcpuSlot): number {
  return Number(pluggedPath.exec(path)?.[1] ?? -1);
}

/** QEMU lists the last place first, but the guest numbers its CPUs from the first. */
function byPlace(a: VcpuSlot, b: VcpuSlot): number {
  for (const level of ["socket-id", "die-id", "cluster-id", "module-id", "core-id", "thread-id"]) {
    const difference = (a.place[level] ?? 0) - (b.place[level] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
