/**
 * Waits until the disks that storages and devices need exist, and translates their names to this kernel's. The code for
 * disks is loaded only when there is one.
 */
import type { Agent } from "../agent.ts";
import { refuseWithoutKernel } from "../rpc/request.ts";
import type { ContainerPlan } from "../spec/plan.ts";
import type { DeviceRequest } from "./disk-devices.ts";
import { diskDrivers, type StorageRequest } from "./drivers.ts";

let disks: typeof import("./disks.ts") | undefined;

/**
 * The code that finds disks. It is loaded with the first disk and kept, since even a repeated import takes as long as a
 * mount.
 */
export async function diskFinder(): Promise<typeof import("./disks.ts")> {
  disks ??= await import("./disks.ts");
  return disks;
}

/**
 * The same storages with this kernel's names of disks.
 * @throws KumiteError `usage/invalid`, `agent/denied`; `storage/failed` for a disk that does not appear
 */
export async function readyStorages(
  agent: Agent,
  storages: readonly StorageRequest[],
  signal: AbortSignal,
): Promise<readonly StorageRequest[]> {
  if (!storages.some(({ driver }) => diskDrivers.has(driver))) return storages;
  refuseWithoutKernel(agent, "use disks");
  const { awaitDisk } = await diskFinder();
  const ready: StorageRequest[] = [];
  for (const storage of storages) {
    const isDisk = diskDrivers.has(storage.driver);
    const source = isDisk
      ? (await awaitDisk(storage.source, storage.driver, agent.modules, signal)).node
      : storage.source;
    ready.push({ ...storage, source });
  }
  return ready;
}

/**
 * The plan with this kernel's device numbers.
 * @throws KumiteError as `readyStorages`; `oci/unsupported` for other kinds of devices
 */
export async function readyDevices(
  agent: Agent,
  plan: ContainerPlan,
  devices: readonly DeviceRequest[],
  signal: AbortSignal,
): Promise<ContainerPlan> {
  if (devices.length === 0) return plan;
  refuseWithoutKernel(agent, "use disks");
  const { withDisks } = await import("./disk-devices.ts");
  return withDisks(plan, devices, agent.modules, signal);
}
