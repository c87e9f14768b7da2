/**
 * Finds free places for hot-plugged devices: root ports, bridges, and on old boards the root bus itself. QEMU reports
 * which places are in use, but not for devices that the guest has not set up yet, so places that were given out are
 * also remembered here.
 */
import type { PciDevice } from "../qmp/hotplug-commands.ts";
import type { Monitor } from "./context.ts";
import { plugFailed } from "./failure.ts";

export interface PciPlace {
  readonly bus: string;
  readonly slot: number;
  /** The slots on the path from the root bus: `04/00`. */
  readonly path: string;
}

/** PCI ids of QEMU's own devices. */
const redHat = 0x1b36;
const rootPort = 0x000c;
const bridge = 0x0001;

/** Slot 0 of a bridge is its hotplug controller. */
const bridgeSlots = { first: 1, last: 30 } as const;
/** The first slots belong to the board. */
const rootSlots = { first: 4, last: 31 } as const;

export class PciPlaces {
  readonly #monitor: Monitor;
  /** The root bus, if it supports hotplug. */
  readonly #rootBus: string | undefined;
  readonly #taken = new Set<string>();

  constructor(monitor: Monitor, rootBus: string | undefined) {
    this.#monitor = monitor;
    this.#rootBus = rootBus;
  }

  /** The place is taken until `giveBack`. @throws KumiteError `hypervisor/plug-failed` if there is none */
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

/** In order of use. Exported for tests. */
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
