/** A plug context whose QEMU is a table of answers. */
import type { MemoryGrowth } from "../../spec.ts";
import { type QmpCommand, resultOf } from "../qmp/commands.ts";
import { DeviceEvents } from "../qmp/device-events.ts";
import type { Monitor, PlugContext } from "./context.ts";
import { PciPlaces } from "./pci-places.ts";
import { ScsiUnits } from "./scsi-units.ts";

/** A monitor that answers with what the handlers return. What they throw counts as QEMU's error. */
export function contextWith(
  handlers: Readonly<Record<string, (parameters: Record<string, unknown>) => unknown>>,
  growth?: MemoryGrowth,
): { readonly context: PlugContext; readonly asked: string[] } {
  const asked: string[] = [];
  const monitor = {
    executeWith: async () => 7,
    execute: async (command: string, parameters: Record<string, unknown>) => {
      asked.push(`${command} ${parameters.id ?? parameters.value ?? ""}`.trim());
      const answer = handlers[command]?.(parameters) ?? {};
      return resultOf[command as QmpCommand](answer);
    },
  } as unknown as Monitor;
  const places = new PciPlaces(monitor, "pci.0");
  return {
    asked,
    context: {
      monitor,
      accelerator: "tcg",
      places,
      events: new DeviceEvents(),
      scsiUnits: new ScsiUnits(0),
      memory: { backing: undefined, growth },
      log: () => {},
    },
  };
}
