/** What every change of a running VM needs. */
import { withDeadline } from "../../../util/deadline.ts";
import { isKumiteError } from "../../../util/errors.ts";
import type { MemoryBacking, MemoryGrowth } from "../../spec.ts";
import type { Accelerator } from "../machine.ts";
import type { QmpClient } from "../qmp/client.ts";
import type { DeviceEvents } from "../qmp/device-events.ts";
import { plugFailed } from "./failure.ts";
import type { PciPlaces } from "./pci-places.ts";
import type { ScsiUnits } from "./scsi-units.ts";

export type Monitor = Pick<QmpClient, "execute" | "executeWith">;

export interface PlugContext {
  readonly monitor: Monitor;
  readonly accelerator: Accelerator;
  readonly events: DeviceEvents;
  readonly places: PciPlaces;
  readonly scsiUnits: ScsiUnits;
  /** How the VM's memory was made; added memory is made the same way. */
  readonly memory: {
    readonly backing: MemoryBacking | undefined;
    readonly growth: MemoryGrowth | undefined;
  };
  readonly log: (level: "debug" | "warn", message: string, fields?: Record<string, unknown>) => void;
}

/** How long a busy or emulated guest may take to release a device. */
export const removalTimeoutMs = 15_000;

/**
 * Sends `device_del` and waits until the guest has released the device. `part` is that of `removalOf`.
 * @throws KumiteError `hypervisor/plug-failed`
 */
export async function removeDevice(
  { monitor, events }: PlugContext,
  id: string,
  signal?: AbortSignal,
  part?: string,
): Promise<void> {
  using removal = events.removalOf(id, part);
  try {
    await monitor.execute("device_del", { id }, { signal });
    await withDeadline(removalTimeoutMs, `waiting for the guest to release ${id}`, () => removal.promise, signal);
  } catch (error) {
    // The guest released the device after an earlier attempt had timed out.
    if (isKumiteError(error) && error.data.class === "DeviceNotFound") return;
    if (!isKumiteError(error, "timeout")) throw error;
    throw plugFailed(`the guest does not release ${id}`, { data: { device: id }, cause: error });
  }
}
