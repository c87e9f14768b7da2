/**
 * The QMP commands that change or describe a running VM: their types, and checks of the answers. Names and fields are
 * those of QEMU's QAPI schema, in the forms of QEMU 7.2 and 10.
 */
import { KumiteError } from "../../../util/errors.ts";
import { isRecord } from "../../../util/json.ts";

type Nothing = Readonly<Record<string, never>>;
type Value = string | number | boolean;

/** Properties of a new device or object, besides its type. */
export type QmpProperties = Readonly<Record<string, Value | undefined>>;

/** A place for a vCPU. */
export interface VcpuSlot {
  /** Type of device that fits the place. */
  readonly type: string;
  /** Properties that select the place. */
  readonly place: Readonly<Record<string, number>>;
  /** Path of the vCPU in it; `undefined` if the place is free. */
  readonly path: string | undefined;
}

export type MemoryDevice =
  | {
      readonly kind: "dimm";
      readonly id: string;
      readonly slot: number;
      readonly address: bigint;
      readonly size: bigint;
    }
  | { readonly kind: "virtio-mem"; readonly id: string; readonly size: bigint; readonly requestedSize: bigint }
  | { readonly kind: "other"; readonly id: string };

export interface PciDevice {
  /** The id that the device was given; empty for parts of the board. */
  readonly id: string;
  readonly slot: number;
  readonly vendor: number;
  readonly device: number;
  /** Devices behind a bridge that the guest has set up; `undefined` if the device is no bridge. */
  readonly behind: readonly PciDevice[] | undefined;
}

interface BlockNode {
  readonly driver: string;
  readonly "node-name": string;
  readonly "read-only": boolean;
  readonly cache?: { readonly direct: boolean; readonly "no-flush": boolean };
}

/** Arguments and result of each command. */
export interface HotplugCommands {
  readonly "query-hotpluggable-cpus": { readonly arguments: Nothing; readonly result: readonly VcpuSlot[] };
  /** The host's thread ids, by vCPU number. */
  readonly "query-cpus-fast": { readonly arguments: Nothing; readonly result: readonly number[] };
  readonly "query-memory-devices": { readonly arguments: Nothing; readonly result: readonly MemoryDevice[] };
  readonly "query-memory-size-summary": {
    readonly arguments: Nothing;
    /** In bytes. */
    readonly result: { readonly base: bigint; readonly plugged: bigint };
  };
  /** Devices on the root bus. */
  readonly "query-pci": { readonly arguments: Nothing; readonly result: readonly PciDevice[] };
  readonly device_add: {
    readonly arguments: { readonly driver: string; readonly id: string } & QmpProperties;
    readonly result: Nothing;
  };
  readonly device_del: { readonly arguments: { readonly id: string }; readonly result: Nothing };
  readonly "object-add": {
    readonly arguments: { readonly "qom-type": string; readonly id: string } & QmpProperties;
    readonly result: Nothing;
  };
  readonly "object-del": { readonly arguments: { readonly id: string }; readonly result: Nothing };
  readonly "qom-set": {
    readonly arguments: { readonly path: string; readonly property: string; readonly value: Value };
    readonly result: Nothing;
  };
  readonly "blockdev-add": {
    readonly arguments: BlockNode &
      (
        | { readonly file: { readonly driver: string; readonly filename: string; readonly aio: string } }
        | { readonly filename: string; readonly aio: string }
      );
    readonly result: Nothing;
  };
  readonly "blockdev-reopen": {
    /** `file` is the name of another node. */
    readonly arguments: { readonly options: readonly (BlockNode & { readonly file: string })[] };
    readonly result: Nothing;
  };
  readonly "blockdev-del": { readonly arguments: { readonly "node-name": string }; readonly result: Nothing };
  readonly netdev_add: {
    readonly arguments: { readonly type: string; readonly id: string } & QmpProperties;
    readonly result: Nothing;
  };
  readonly netdev_del: { readonly arguments: { readonly id: string }; readonly result: Nothing };
}

/** Longer than the list of any board; a longer answer comes from a VMM that its guest has taken over. */
const mostEntries = 8192;

export const hotplugResults: {
  readonly [C in keyof HotplugCommands]: (value: unknown) => HotplugCommands[C]["result"];
} = {
  "query-hotpluggable-cpus": (value) => list("query-hotpluggable-cpus", value, vcpuSlot),
  "query-cpus-fast": (value) => list("query-cpus-fast", value, (cpu) => whole(cpu["thread-id"])),
  "query-memory-devices": (value) => list("query-memory-devices", value, memoryDevice),
  "query-memory-size-summary": (value) => {
    const summary = record(value) ?? fail("query-memory-size-summary");
    const [base, plugged] = [bytes(summary["base-memory"]), bytes(summary["plugged-memory"] ?? 0)];
    if (base === undefined || plugged === undefined) return fail("query-memory-size-summary");
    return { base, plugged };
  },
  "query-pci": (value) => {
    const root = list("query-pci", value, (bus) => (bus.bus === 0 ? pciDevices(bus.devices, 0) : []));
    return root.flat();
  },
  device_add: nothing,
  device_del: nothing,
  "object-add": nothing,
  "object-del": nothing,
  "qom-set": nothing,
  "blockdev-add": nothing,
  "blockdev-reopen": nothing,
  "blockdev-del": nothing,
  netdev_add: nothing,
  netdev_del: nothing,
};

function vcpuSlot(entry: Record<string, unknown>): VcpuSlot | undefined {
  const { type, props, "qom-path": path } = entry;
  if (typeof type !== "string" || !isRecord(props)) return undefined;
  const place = Object.entries(props).filter((item): item is [string, number] => Number.isSafeInteger(item[1]));
  return { type, place: Object.fromEntries(place), path: typeof path === "string" ? path : undefined };
}

function memoryDevice({ type, data }: Record<string, unknown>): MemoryDevice | undefined {
  if (typeof type !== "string" || !isRecord(data)) return undefined;
  const id = typeof data.id === "string" ? data.id : "";
  const size = bytes(data.size);
  if (type === "dimm") {
    const [slot, address] = [whole(data.slot), bytes(data.addr)];
    if (slot === undefined || address === undefined || size === undefined) return undefined;
    return { kind: "dimm", id, slot, address, size };
  }
  if (type === "virtio-mem") {
    const requestedSize = bytes(data["requested-size"]);
    return size === undefined || requestedSize === undefined
      ? undefined
      : { kind: "virtio-mem", id, size, requestedSize };
  }
  return { kind: "other", id };
}

/** Descends one level only, because no device of ours is deeper. */
function pciDevices(value: unknown, depth: number): PciDevice[] {
  return list("query-pci", value ?? [], (entry) => {
    const identity = record(entry.id);
    const [slot, vendor, device] = [whole(entry.slot), whole(identity?.vendor), whole(identity?.device)];
    if (slot === undefined || vendor === undefined || device === undefined) return undefined;
    const bridge = record(entry.pci_bridge);
    const behind = bridge === undefined ? undefined : depth > 0 ? [] : pciDevices(bridge.devices, depth + 1);
    return { id: typeof entry.qdev_id === "string" ? entry.qdev_id : "", slot, vendor, device, behind };
  });
}

/** Fails if any entry is invalid. */
function list<T>(command: string, value: unknown, read: (entry: Record<string, unknown>) => T | undefined): T[] {
  if (!Array.isArray(value) || value.length > mostEntries) return fail(command);
  return value.map((entry) => (isRecord(entry) ? read(entry) : undefined) ?? fail(command));
}

function record(value: unknown): Record<string, unknown> | undefined {
  return isRecord(value) ? value : undefined;
}

function whole(value: unknown): number | undefined {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}

function bytes(value: unknown): bigint | undefined {
  const number = whole(value);
  return number === undefined ? undefined : BigInt(number);
}

function nothing(): Nothing {
  return {};
}

function fail(command: string): never {
  throw new KumiteError("hypervisor/protocol", `qemu gave an unexpected answer to ${command}`);
}
