/**
 * What every implementation of `Os` must do, as named checks. The tests of the engine and of Node run the same list.
 * The checks need root, /proc, /dev and a shell; they create what they need below /tmp and remove it.
 */
import { filesContract } from "./contract/files.ts";
import { mountsContract } from "./contract/mounts.ts";
import { processesContract } from "./contract/processes.ts";
import { selfContract } from "./contract/self.ts";
import { socketsContract } from "./contract/sockets.ts";
import { spawnContract } from "./contract/spawn.ts";
import { confinedSpawnContract } from "./contract/spawn-confined.ts";
import type { Os } from "./os.ts";

/** The part of node:assert/strict that the checks use. */
export interface ContractAssert {
  ok(value: unknown, message?: string): void;
  equal(actual: unknown, expected: unknown, message?: string): void;
  deepEqual(actual: unknown, expected: unknown, message?: string): void;
  /** The error must have every member of the matcher, with the same value. */
  rejects(promise: Promise<unknown>, matcher: { readonly errno: string } | object, message?: string): Promise<void>;
}

export interface ContractCheck {
  /** What the check proves, as a fact about the product. */
  readonly name: string;
  run(os: Os, assert: ContractAssert): Promise<void>;
}

export const osContract: readonly ContractCheck[] = [
  ...filesContract,
  ...socketsContract,
  ...processesContract,
  ...spawnContract,
  ...confinedSpawnContract,
  ...mountsContract,
  ...selfContract,
];
