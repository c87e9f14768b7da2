/** Adds memory as DIMMs. It cannot be removed, grows by whole blocks of the guest, and each DIMM takes a slot. */
import { withDeadline } from "../../../util/deadline.ts";
import { isKumiteError, type KumiteError } from "../../../util/errors.ts";
import type { MemoryTarget, ResizedMemory } from "../../plug.ts";
import type { MemoryDevice } from "../qmp/hotplug-commands.ts";
import { type PlugContext, removeDevice } from "./context.ts";
import { plugFailed } from "./failure.ts";
import { addedMemory } from "./memory-backend.ts";
import { isUndecided, takeBack } from "./undoing.ts";

const mib = 1024 * 1024;
/**
 * Limit of one step, as a multiple of the current size: the guest needs memory for the page descriptors before it has
 * the new pages.
 */
const mostGrowth = 48;
/** How long the guest's ACPI may take to accept a DIMM. A guest that is still booting does not report it. */
const acceptanceTimeoutMs = 5_000;

/** As `MachinePlug.resizeMemory`. */
export async function resizeByDimms(
  context: PlugContext,
  { memoryMiB, blockMiB }: MemoryTarget,
  signal?: AbortSignal,
): Promise<ResizedMemory> {
  const { growth } = context.memory;
  const now = await memoryNow(context, signal);
  let { nowMiB } = now;
  if (memoryMiB < nowMiB) {
    context.log("warn", `memory modules cannot be removed: the VM keeps ${nowMiB} MiB`, { wanted: memoryMiB });
  }
  const added: ResizedMemory["added"][number][] = [];
  const mostMiB = growth?.maxMiB ?? nowMiB;
  const slots = growth?.slots ?? 0;
  for (let slot = firstFreeSlot(now.devices); ; slot++) {
    const step = stepMiB(nowMiB, Math.min(memoryMiB, mostMiB), mostMiB, blockMiB);
    if (step === 0) return { memoryMiB: nowMiB, added };
    try {
      if (slot >= slots) throw slotsInUse(slots);
      added.push(await addDimm(context, slot, step, signal));
    } catch (cause) {
      throw plugFailed(`failed to hot add memory: the VM has ${nowMiB} MiB of ${memoryMiB} MiB`, {
        data: { memoryMiB: nowMiB },
        cause,
        ...(isKumiteError(cause) && cause.hint !== undefined ? { hint: cause.hint } : {}),
      });
    }
    nowMiB += step;
  }
}

/** 0 if there is nothing to add. Exported for tests. */
export function stepMiB(nowMiB: number, targetMiB: number, mostMiB: number, blockMiB: number): number {
  const block = Math.max(1, blockMiB);
  if (targetMiB <= nowMiB) return 0;
  const asked = Math.ceil((targetMiB - nowMiB) / block) * block;
  const room = Math.floor((mostMiB - nowMiB) / block) * block;
  const digestible = Math.max(block, Math.floor((nowMiB * mostGrowth) / block) * block);
  return Math.max(0, Math.min(asked, room, digestible));
}

export async function currentMiB({ monitor }: PlugContext, signal?: AbortSignal): Promise<number> {
  const { base, plugged } = await monitor.execute("query-memory-size-summary", {}, { signal });
  return Math.floor(Number(base + plugged) / mib);
}

/** Queried concurrently. */
export async function memoryNow(
  context: PlugContext,
  signal?: AbortSignal,
): Promise<{ readonly nowMiB: number; readonly devices: readonly MemoryDevice[] }> {
  const [nowMiB, devices] = await Promise.all([
    currentMiB(context, signal),
    context.monitor.execute("query-memory-devices", {}, { signal }),
  ]);
  return { nowMiB, devices };
}

function firstFreeSlot(devices: readonly MemoryDevice[]): number {
  return Math.max(-1, ...devices.map((device) => (device.kind === "dimm" ? device.slot : -1))) + 1;
}

function slotsInUse(slots: number): KumiteError {
  return plugFailed(`all ${slots} memory slots are in use`, {
    hint: "raise memory_slots in [hypervisor.qemu], or set enable_virtio_mem",
  });
}

/** QEMU executes commands in order, so the memory, the DIMM and the query for its address are sent together. */
async function addDimm(
  context: PlugContext,
  slot: number,
  sizeMiB: number,
  signal?: AbortSignal,
): Promise<ResizedMemory["added"][number]> {
  const { monitor, memory } = context;
  const [backend, device] = [`mem${slot}`, `dimmmem${slot}`];
  using acceptance = context.events.acceptanceOf(device);
  const [object, plugged, found] = await Promise.allSettled([
    monitor.execute("object-add", addedMemory(backend, sizeMiB * mib, memory.backing), { signal }),
    monitor.execute("device_add", { driver: "pc-dimm", id: device, memdev: backend, slot }, { signal }),
    monitor.execute("query-memory-devices", {}, { signal }),
  ]);
  const failures = [object, plugged].flatMap((result) => (result.status === "rejected" ? [result.reason] : []));
  if (failures.length > 0) {
    const undecided = failures.some((failure) => isUndecided(failure, signal));
    await takeBack(context, `memory ${backend}`, async () => {
      if (undecided) await removeDevice(context, device);
      if (undecided || object.status === "fulfilled") await monitor.execute("object-del", { id: backend });
    });
    throw failures[0];
  }
  await accepted(context, device, acceptance.promise, signal);
  if (found.status === "rejected") throw found.reason;
  const made = found.value.find(({ id }) => id === device);
  if (made?.kind !== "dimm") throw plugFailed(`qemu does not know ${device} after it was added`);
  return { address: made.address, size: made.size };
}

async function accepted(
  { log }: PlugContext,
  device: string,
  answer: Promise<boolean>,
  signal: AbortSignal | undefined,
): Promise<void> {
  try {
    const taken = await withDeadline(
      acceptanceTimeoutMs,
      `waiting for the guest to accept ${device}`,
      () => answer,
      signal,
    );
    if (!taken) log("warn", `the guest does not accept ${device}`, { device });
  } catch (error) {
    if (!isKumiteError(error, "timeout")) throw error;
    log("warn", `the guest did not say that it accepted ${device}`, { device });
  }
}
