/** Which tables a configuration has and which keys stand in them. Built on first use; knows nothing of files. */
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

/** Tables whose second name says which kind it is, and the kinds that are known. */
const kinds = {
  /** Those that no driver is here for are accepted: a file may have them beside the one that is used. */
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

/** The names that may stand at the top of a file. */
export const topNames: readonly string[] = [...Object.keys(kinds), ...plainTables];

/** Full names of the tables, in the order of the reference page; those of hypervisors without a driver are left out. */
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

/** The keys of a table by its full name, e.g. `hypervisor.qemu`; any kind of a group has the same. */
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
