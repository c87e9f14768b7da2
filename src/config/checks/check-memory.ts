/**
 * `default_memory` against what the host has. A VM may well be larger than its host, which gives it only what its guest
 * touches: refused is what must be there before the guest runs anything, and never can be. Pure.
 */
import type { ConfigSurroundings } from "../config.ts";
import type { EffectiveHypervisor } from "../effective.ts";
import { rank } from "../problem.ts";
import type { CheckContext } from "./check-context.ts";

/** Linux has 64 bytes for each page of 4 KiB, and writes them while it boots. */
const kernelShare = 64;

export function checkMemory(context: CheckContext, { hostMemoryMiB, hostSwapMiB = 0 }: ConfigSurroundings): void {
  const { effective, settings, report } = context;
  const { chosen, hypervisor, hypervisors } = effective;
  if (hypervisor === "process" || hostMemoryMiB === undefined) return;
  const table = `hypervisor.${chosen}`;
  const values = hypervisors[chosen];
  const isLocked = settings.get(table, "enable_swap")?.value === false;
  const roomMiB = isLocked ? hostMemoryMiB : hostMemoryMiB + hostSwapMiB;
  const demand = demandOf(values, isLocked);
  if (demand === undefined || demand.mib <= roomMiB) return;
  const swap = isLocked || hostSwapMiB === 0 ? "" : ` and ${hostSwapMiB} MiB of swap`;
  const host = `the host has ${hostMemoryMiB} MiB${swap}`;
  report({
    severity: "error",
    origin: settings.origin(table, "default_memory"),
    key: `${table}.default_memory`,
    reason: `${table}.default_memory is ${values.default_memory} MiB, ${demand.why}, but ${host}`,
    hint: `set default_memory to at most ${Math.floor(roomMiB * demand.perMiB)}${demand.otherwise}`,
    rank: rank.other,
  });
}

interface Demand {
  readonly mib: number;
  /** How many MiB of a VM take one of the host. */
  readonly perMiB: number;
  /** Goes on from the size. */
  readonly why: string;
  readonly otherwise: string;
}

function demandOf(values: EffectiveHypervisor, isLocked: boolean): Demand | undefined {
  const { default_memory: mib, enable_hugepages, enable_mem_prealloc, file_mem_backend } = values;
  // Their pages are set aside on the host, and QEMU says at once that there are too few; a file has room of its own.
  if (enable_hugepages || file_mem_backend !== "") return undefined;
  if (isLocked) {
    return { mib, perMiB: 1, why: "all of it locked (enable_swap = false)", otherwise: ", or remove enable_swap" };
  }
  if (enable_mem_prealloc) {
    const why = "all of it allocated at the start (enable_mem_prealloc)";
    return { mib, perMiB: 1, why, otherwise: ", or remove enable_mem_prealloc" };
  }
  const own = Math.ceil(mib / kernelShare);
  return { mib: own, perMiB: kernelShare, why: `of which the guest's kernel needs ${own} MiB to boot`, otherwise: "" };
}
