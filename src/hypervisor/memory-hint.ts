/**
 * What to do about a VM that did not start because of its memory. Knows the keys of the configuration that say how much
 * it has.
 */
import type { Os } from "../sys/os.ts";

interface Memory {
  readonly sizeMiB: number;
  /** What it may grow to, if it may. */
  readonly maxMiB: number | undefined;
}

/** In which QEMU says that it cannot have the memory, or cannot address it. */
const refusals = /guest memory|guest RAM|memory pages|preallocating memory|mlock|phys-bits too low/;

/** Of a VMM that ended: `undefined` when what it said is about something else. */
export async function refusedMemoryHint(os: Os, said: string, memory: Memory): Promise<string | undefined> {
  if (!refusals.test(said)) return undefined;
  const { sizeMiB, maxMiB } = memory;
  const most = maxMiB === undefined ? "" : `, and up to ${maxMiB} MiB (default_maxmemory)`;
  const hostMiB = await hostMemoryMiB(os);
  const host = hostMiB === undefined ? "" : `; the host has ${hostMiB} MiB`;
  const size = `the VM was to have ${sizeMiB} MiB of memory (default_memory and its containers' limits)${most}${host}`;
  if (said.includes("phys-bits")) return `${size}: make the VM smaller, since its processor cannot address that much`;
  return `${size}: make the VM smaller, or let the host promise more than it has with \`sysctl vm.overcommit_memory=1\``;
}

/** Of a guest that did not answer in time: `undefined` unless it is larger than the host. */
export async function slowMemoryHint(os: Os, sizeMiB: number): Promise<string | undefined> {
  const hostMiB = await hostMemoryMiB(os);
  if (hostMiB === undefined || sizeMiB <= hostMiB) return undefined;
  const own = Math.ceil(sizeMiB / 64);
  const why = `the VM has ${sizeMiB} MiB (default_memory), of which its kernel writes to ${own} MiB before it runs anything`;
  return `${why}; the host has ${hostMiB} MiB: set a smaller default_memory, or a longer dial_timeout in [agent.kata]`;
}

async function hostMemoryMiB(os: Os): Promise<number | undefined> {
  const text = await os.files.readText("/proc/meminfo").catch(() => "");
  const kib = Number(/^MemTotal:\s*(\d+) kB$/m.exec(text)?.[1]);
  return kib > 0 ? Math.floor(kib / 1024) : undefined;
}
