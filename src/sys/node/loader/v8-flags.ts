/**
 * A shim is idle most of its life, so its memory counts. These flags keep V8 from
 * - growing its nursery with the traffic and keeping it, at tens of megabytes after one large output,
 * - letting garbage grow to several times the live heap, at tens of megabytes after some hundred execs,
 * - keeping a second compiled form of all code that ran twice, and
 * - optimizing code that a thousand execs have run. Only code that runs thirty times as often is worth the memory.
 */
import { setFlagsFromString } from "node:v8";

const flags = [
  "--semi-space-growth-factor=1",
  "--heap-growing-percent=25",
  "--no-sparkplug",
  "--interrupt-budget=4000000",
] as const;

/** Modules of Node that the program loads at its start. */
export const programModules = [
  "node:child_process",
  "node:crypto",
  "node:fs",
  "node:fs/promises",
  "node:net",
  "node:os",
  "node:path",
  "node:timers/promises",
  "node:tty",
  "node:util",
  "node:v8",
  "node:vm",
] as const;

/**
 * Sets the flags before the program runs: what V8 has begun to count for a function stays. Loads Node's modules before
 * that: Node contains the code that V8 made of them under the default flags, and V8 uses it under no others. Compiling
 * them takes 8 ms of CPU time.
 */
export function saveMemory(load: NodeJS.Require): void {
  for (const name of programModules) load(name);
  for (const flag of flags) setFlagsFromString(flag);
}
