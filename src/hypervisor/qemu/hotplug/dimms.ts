/** Memory that comes as modules: added only, in whole blocks of the guest, each in a slot of its own. */
import { withDeadline } from "../../../util/deadline.ts";
import { isKumiteError } from "../../../util/errors.ts";
import type { MemoryTarget, ResizedMemory } from "../../plug.ts";
import type { PlugContext } from "./context.ts";
import { plugFailed } from "./failure.ts";
import { addedMemory } from "./memory-backend.ts";

const mib = 1024 * 1024;
/** The guest needs room for the descriptions of new pages before it has the new pages. */
const mostGrowth = 48;
/** For the guest's ACPI to take a module. One that is still booting takes it without a word. */
const acceptanceTimeoutMs = 5_000;

/** As `MachinePlug.resizeMemory`. */
export async function resizeByDimms(
  context: PlugContext,
  { memoryMiB, blockMiB }: MemoryTarget,
  signal?: AbortSignal,
): Promise<ResizedMemory> {
  const { growth } = context.memory;
  let nowMiB = await currentMiB(context, signal);
  if (memoryMiB < nowMiB) {
    context.log("warn", `memory modules cannot be removed: the machine keeps ${nowMiB} MiB`, { wanted: memoryMiB });
  }
  const added: ResizedMemory["added"][number][] = [];
  const mostMiB = growth?.maxMiB ?? nowMiB;
  for (;;) {
    const step = stepMiB(nowMiB, Math.min(memoryMiB, mostMiB), mostMiB, blockMiB);
    if (step === 0) return { memoryMiB: nowMiB, added };
    try {
      added.push(await addDimm(context, step, signal));
    } catch (cause) {
      throw plugFailed(`failed to hot add memory: the machine has ${nowMiB} MiB of ${memoryMiB}`, {
        data: { memoryMiB: nowMiB },
        cause,
        ...(isKumiteError(cause) && cause.hint !== undefined ? { hint: cause.hint } : {}),
      });
    }
    nowMiB += step;
  }
}

/** 0 when there is nothing to add. Exported for tests. */
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

async function addDimm(
  context: PlugContext,
  sizeMiB: number,
  signal?: AbortSignal,
): Promise<ResizedMemory["added"][number]> {
  const { monitor, memory } = context;
  const devices = await monitor.execute("query-memory-devices", {}, { signal });
  const slot = Math.max(-1, ...devices.map((device) => (device.kind === "dimm" ? device.slot : -1))) + 1;
  if (slot >= (memory.growth?.slots ?? 0)) {
    throw plugFailed(`all ${memory.growth?.slots ?? 0} memory slots are in use`, {
      hint: "raise memory_slots in [hypervisor.qemu], or set enable_virtio_mem",
    });
  }
  const [backend, device] = [`mem${slot}`, `dimmmem${slot}`];
  await monitor.execute("object-add", addedMemory(backend, sizeMiB * mib, memory.backing), { signal });
  using acceptance = context.events.acceptanceOf(device);
  try {
    await monitor.execute("device_add", { driver: "pc-dimm", id: device, memdev: backend, slot }, { signal });
  } catch (error) {
    await monitor.execute("object-del", { id: backend }).catch(() => {});
    throw error;
  }
  await accepted(context, device, acceptance.promise, signal);
  const made = (await monitor.execute("query-memory-devices", {}, { signal })).find(({ id }) => id === device);
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
    const taken = await withDeadline(acceptanceTimeoutMs, `the guest's taking ${device}`, () => answer, signal);
    if (!taken) log("warn", `the guest does not take ${device}`, { device });
  } catch (error) {
    if (!isKumiteError(error, "timeout")) throw error;
    log("warn", `the guest did not say that it took ${device}`, { device });
  }
}
