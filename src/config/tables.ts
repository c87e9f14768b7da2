/** The tables of a configuration and the keys in them. Built on first use; knows nothing of files. */
import type { KeySpec, KeyTable } from "./key.ts";
import { hypervisorTables } from "./key.ts";
import { agentKeys } from "./keys/agent.ts";
import { bootKeys } from "./keys/boot.ts";
import { computeKeys } from "./keys/compute.ts";
import { deviceKeys } from "./keys/devices.ts";
import { factoryKeys } from "./keys/factory.ts";
import { imageKeys, netmonKeys, proxyKeys, shimKeys } from "./keys/older.ts";
import { runtimeKeys } from "./keys/runtime.ts";
import { storageKeys } from "./keys/storage.ts";

export type HypervisorKeys = typeof bootKeys & typeof computeKeys & typeof storageKeys & typeof deviceKeys;

let keysOfHypervisor: HypervisorKeys | undefined;

export function hypervisorKeys(): HypervisorKeys {
  keysOfHypervisor ??= { ...bootKeys, ...computeKeys, ...storageKeys, ...deviceKeys };
  return keysOfHypervisor;
}

/** Tables whose second name says which kind it is, and the known kinds. */
const kinds = {
  /** Hypervisors without a driver are accepted, since a file may have their tables beside the one in use. */
  hypervisor: [...hypervisorTables, "acrn", "stratovirt", "dragonball", "remote"],
  agent: ["kata", "hyperstart"],
  proxy: ["kata", "cc"],
  shim: ["kata", "cc"],
} as const;

export type GroupName = keyof typeof kinds;

export function isGroup(name: string): name is GroupName {
  return Object.hasOwn(kinds, name);
}

export function kindsOf(group: GroupName): readonly string[] {
  return kinds[group];
}

const plainTables = ["runtime", "factory", "netmon", "image"] as const;

/** The names allowed at the top level of a file. */
export const topNames: readonly string[] = [...Object.keys(kinds), ...plainTables];

/** Full names of the tables, in the order of the reference page, without hypervisors that have no driver. */
export const tableNames: readonly string[] = [
  ...hypervisorTables.map((name) => `hypervisor.${name}`),
  "agent.kata",
  "runtime",
  "factory",
  "proxy.kata",
  "shim.kata",
  "netmon",
  "image",
];

/** The keys of a table by its full name, e.g. `hypervisor.qemu`. All kinds of a group have the same keys. */
export function keysOf(table: string): KeyTable | undefined {
  const [group] = table.split(".", 1);
  switch (group) {
    case "hypervisor":
      return hypervisorKeys();
    case "agent":
      return agentKeys;
    case "proxy":
      return proxyKeys;
    case "shim":
      return shimKeys;
    case "runtime":
      return runtimeKeys;
    case "factory":
      return factoryKeys;
    case "netmon":
      return netmonKeys;
    case "image":
      return imageKeys;
    default:
      return undefined;
  }
}

/** Tables whose keys annotations may set; `hypervisor` stands for the one in use. */
export function annotatedKeys(): readonly (readonly [table: string, keys: KeyTable])[] {
  return [
    ["hypervisor", hypervisorKeys()],
    ["agent.kata", agentKeys],
    ["runtime", runtimeKeys],
  ];
}

export function keyOf(table: string, key: string): KeySpec | undefined {
  const keys = keysOf(table);
  return keys !== undefined && Object.hasOwn(keys, key) ? keys[key] : undefined;
}
