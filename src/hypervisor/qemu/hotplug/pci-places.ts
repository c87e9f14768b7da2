/**
 * Where devices can be plugged in: root ports, bridges, and on old boards the root bus itself. Who is where is asked of
 * QEMU; what a guest has not set up yet is not seen there, so what was given away is remembered too.
 */
import type { PciDevice } from "../qmp/hotplug-commands.ts";
import type { Monitor } from "./context.ts";
import { plugFailed } from "./failure.ts";

export interface PciPlace {
  readonly bus: string;
  readonly slot: number;
  /** The slots on the way, from the root bus: `04/00`. */
  readonly path: string;
}

/** QEMU's own. */
const redHat = 0x1b36;
const rootPort = 0x000c;
const bridge = 0x0001;

/** Slot 0 of a bridge is the bridge's hot-plug controller. */
const bridgeSlots = { first: 1, last: 30 } as const;
/** The first are the board's own. */
const rootSlots = { first: 4, last: 31 } as const;

export class PciPlaces {
  readonly #monitor: Monitor;
  /** The root bus, where it takes devices at run time. */
  readonly #rootBus: string | undefined;
  readonly #taken = new Set<string>();

  constructor(monitor: Monitor, rootBus: string | undefined) {
    this.#monitor = monitor;
    this.#rootBus = rootBus;
  }

  /** Until it is given back. @throws KumiteError `hypervisor/plug-failed` when there is none */
  async take(signal?: AbortSignal): Promise<PciPlace> {
    const devices = await this.#monitor.execute("query-pci", {}, { signal });
    const place = freePlaces(devices, this.#rootBus).find((free) => !this.#taken.has(keyOf(free)));
    if (place === undefined) {
      throw plugFailed("no more bridge slots available", {
        hint: "raise pcie_root_port or default_bridges in [hypervisor.qemu]",
      });
    }
    this.#taken.add(keyOf(place));
    return place;
  }

  giveBack(place: PciPlace): void {
    this.#taken.delete(keyOf(place));
  }
}

/** In the order in which they are to be used. Exported for tests. */
export function freePlaces(devices: readonly PciDevice[], rootBus: string | undefined): PciPlace[] {
  const behindBridges = devices.flatMap((device) => placesBehind(device));
  if (rootBus === undefined) return behindBridges;
  const used = new Set(devices.map(({ slot }) => slot));
  const onRoot = range(rootSlots).filter((slot) => !used.has(slot));
  return [...behindBridges, ...onRoot.map((slot) => ({ bus: rootBus, slot, path: hex(slot) }))];
}

function placesBehind({ id, slot: own, vendor, device, behind }: PciDevice): PciPlace[] {
  if (vendor !== redHat || behind === undefined || id === "") return [];
  const used = new Set(behind.map(({ slot }) => slot));
  const slots = device === rootPort ? [0] : device === bridge ? range(bridgeSlots) : [];
  return slots.filter((slot) => !used.has(slot)).map((slot) => ({ bus: id, slot, path: `${hex(own)}/${hex(slot)}` }));
}

function range({ first, last }: { readonly first: number; readonly last: number }): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

function hex(slot: number): string {
  return slot.toString(16).padStart(2, "0");
}

function keyOf({ bus, slot }: PciPlace): string {
  return `${bus} ${slot}`;
}
