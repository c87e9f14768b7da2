/**
 * Grows and shrinks memory with one virtio-mem device. The device is added at the first change, with room for all
 * memory that the VM may get. The guest decides what it gives back.
 */
import { isKumiteError, type KumiteError, messageOf } from "../../../util/errors.ts";
import { retry } from "../../../util/retry.ts";
import type { MemoryTarget, ResizedMemory } from "../../plug.ts";
import type { MemoryDevice } from "../qmp/hotplug-commands.ts";
import type { PlugContext } from "./context.ts";
import { memoryNow } from "./dimms.ts";
import { plugFailed } from "./failure.ts";
import { addedMemory } from "./memory-backend.ts";
import { addDevice, isUndecided, takeBack, undoing } from "./undoing.ts";

const mib = 1024 * 1024;
const device = "virtiomem0";
const backend = "virtiomem";
/** The granularity of a Linux guest. */
const granuleMiB = 4;
/** Timeouts without progress. A guest may be unable to give memory back; a guest that gets memory only needs time. */
const stallTimeoutMs = { shrink: 3_000, grow: 15_000 };

/** As `MachinePlug.resizeMemory`. */
export async function resizeByVirtioMem(
  context: PlugContext,
  { memoryMiB, onDevice }: MemoryTarget,
  signal?: AbortSignal,
): Promise<ResizedMemory> {
  const { nowMiB: allMiB, devices } = await memoryNow(context, signal);
  const baseMiB = allMiB - pluggedMiB(devices);
  const mostMiB = roundDown((context.memory.growth?.maxMiB ?? baseMiB) - baseMiB);
  const wantedMiB = Math.min(Math.max(0, Math.ceil((memoryMiB - baseMiB) / granuleMiB) * granuleMiB), mostMiB);
  if (mostMiB <= 0) return { memoryMiB: baseMiB, added: [] };
  const isNew = await makeDevice(context, devices, mostMiB, signal);
  if (isNew || wantedMiB > 0) await onDevice?.();
  await request(context, wantedMiB, signal);
  const reachedMiB = await reached(context, pluggedMiB(devices), wantedMiB, signal);
  if (reachedMiB === wantedMiB) return { memoryMiB: baseMiB + reachedMiB, added: [] };
  // Otherwise the guest would keep trying, and the size could change at any time.
  await request(context, reachedMiB, signal);
  const nowMiB = baseMiB + reachedMiB;
  const text = `the VM has ${nowMiB} MiB, but should have ${memoryMiB} MiB`;
  if (reachedMiB < wantedMiB) throw plugFailed(`failed to hot add memory: ${text}`, { data: { memoryMiB: nowMiB } });
  context.log("warn", `the guest still uses memory that it should release: ${text}`);
  return { memoryMiB: nowMiB, added: [] };
}

function pluggedMiB(devices: readonly MemoryDevice[]): number {
  const own = devices.find(({ id }) => id === device);
  return own?.kind === "virtio-mem" ? Math.floor(Number(own.size) / mib) : 0;
}

/** @returns whether the device was added */
async function makeDevice(
  context: PlugContext,
  devices: readonly MemoryDevice[],
  sizeMiB: number,
  signal?: AbortSignal,
): Promise<boolean> {
  const { monitor, places, memory } = context;
  if (devices.some(({ id }) => id === device)) return false;
  const place = await places.take(signal);
  // Reserves nothing on the host before the guest uses it.
  const properties = { ...addedMemory(backend, sizeMiB * mib, memory.backing), reserve: false };
  const removeBackend = () => monitor.execute("object-del", { id: backend });
  try {
    await monitor.execute("object-add", properties, { signal });
  } catch (error) {
    if (isUndecided(error, signal)) await takeBack(context, `memory ${backend}`, removeBackend);
    places.giveBack(place);
    throw notGiven(error);
  }
  const where = { bus: place.bus, addr: place.slot.toString(16), romfile: "" };
  const driver = { driver: "virtio-mem-pci", id: device, memdev: backend, ...where };
  const adding = addDevice(context, driver, () => places.giveBack(place), signal);
  await undoing(context, `memory ${backend}`, removeBackend, adding).catch((error: unknown) => {
    throw notGiven(error);
  });
  return true;
}

function notGiven(cause: unknown): KumiteError {
  return plugFailed("no virtio-mem device could be added to the VM", {
    ...(messageOf(cause).includes("Cannot allocate memory") && { hint: overcommit }),
    cause,
  });
}

const overcommit = "let the host promise more memory than it has: `sysctl vm.overcommit_memory=1`";

async function request({ monitor }: PlugContext, sizeMiB: number, signal?: AbortSignal): Promise<void> {
  const path = `/machine/peripheral/${device}`;
  await monitor.execute("qom-set", { path, property: "requested-size", value: sizeMiB * mib }, { signal });
}

/**
 * Waits until the guest has the wanted size, or no longer makes progress. QEMU is polled, because it reports changes at
 * most once per second.
 */
async function reached(
  { monitor }: PlugContext,
  fromMiB: number,
  wantedMiB: number,
  signal?: AbortSignal,
): Promise<number> {
  let sizeMiB = fromMiB;
  const look = async (within: AbortSignal): Promise<void> => {
    sizeMiB = pluggedMiB(await monitor.execute("query-memory-devices", {}, { signal: within }));
    if (sizeMiB !== wantedMiB) throw plugFailed(`the guest has reached ${sizeMiB} MiB`);
  };
  const timeoutMs = stallTimeoutMs[wantedMiB > fromMiB ? "grow" : "shrink"];
  let leastLeftMiB = Math.abs(wantedMiB - fromMiB);
  for (;;) {
    try {
      await retry(look, {
        what: "changing the guest's memory",
        timeoutMs,
        signal,
        firstPauseMs: 1,
        longestPauseMs: 2,
      });
      return sizeMiB;
    } catch (error) {
      if (!isKumiteError(error, "timeout")) throw error;
      const leftMiB = Math.abs(wantedMiB - sizeMiB);
      if (leftMiB >= leastLeftMiB) return sizeMiB;
      leastLeftMiB = leftMiB;
    }
  }
}

function roundDown(sizeMiB: number): number {
  return Math.floor(sizeMiB / granuleMiB) * granuleMiB;
}
