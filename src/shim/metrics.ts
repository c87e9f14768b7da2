/** A container's statistics as containerd's message for cgroup version 2. Pure. */
import { type IOEntry, type MemoryStat, Metrics } from "../protocol/gen/containerd/cgroups/v2/metrics.ts";
import type { Any } from "../protocol/gen/google/protobuf/any.ts";
import { encodeMessage } from "../protocol/ttrpc/service.ts";
import type { ContainerStats } from "../sandbox/stats.ts";

const nsPerUs = 1000n;
const typeUrl = "io.containerd.cgroups.v2.Metrics";

export function metricsOf(stats: ContainerStats): Any {
  const { cpu, memory, pids, hugePages } = stats;
  const raw = (name: string): bigint => memory.raw.get(name) ?? 0n;
  const value = encodeMessage(Metrics, {
    pids,
    cpu: {
      usageUsec: cpu.totalNs / nsPerUs,
      userUsec: cpu.userNs / nsPerUs,
      systemUsec: cpu.kernelNs / nsPerUs,
      nrPeriods: cpu.periods,
      nrThrottled: cpu.throttledPeriods,
      throttledUsec: cpu.throttledNs / nsPerUs,
    },
    memory: {
      ...Object.fromEntries(Object.entries(memoryNames).map(([field, name]) => [field, raw(name)])),
      // Newer kernels split these into two counters.
      workingsetRefault: sum(raw, "workingset_refault"),
      workingsetActivate: sum(raw, "workingset_activate"),
      usage: memory.usage.usage,
      usageLimit: memory.usage.limit,
      maxUsage: memory.usage.maxUsage,
      swapUsage: memory.swap.usage,
      swapLimit: memory.swap.limit,
      swapMaxUsage: memory.swap.maxUsage,
    },
    io: { usage: ioEntries(stats) },
    hugetlb: [...hugePages].map(([pagesize, { usage }]) => ({ current: usage, pagesize })),
  });
  return { typeUrl, value };
}

/** A counter plus the two it may be split into. Limited to 64 bits, because the guest controls the values. */
function sum(raw: (name: string) => bigint, name: string): bigint {
  const total = raw(name) + raw(`${name}_anon`) + raw(`${name}_file`);
  return total > largest ? largest : total;
}

const largest = 0xffff_ffff_ffff_ffffn;

/** Fields that correspond to one key of memory.stat. */
const memoryNames = {
  anon: "anon",
  file: "file",
  kernelStack: "kernel_stack",
  slab: "slab",
  sock: "sock",
  shmem: "shmem",
  fileMapped: "file_mapped",
  fileDirty: "file_dirty",
  fileWriteback: "file_writeback",
  anonThp: "anon_thp",
  inactiveAnon: "inactive_anon",
  activeAnon: "active_anon",
  inactiveFile: "inactive_file",
  activeFile: "active_file",
  unevictable: "unevictable",
  slabReclaimable: "slab_reclaimable",
  slabUnreclaimable: "slab_unreclaimable",
  pgfault: "pgfault",
  pgmajfault: "pgmajfault",
  workingsetNodereclaim: "workingset_nodereclaim",
  pgrefill: "pgrefill",
  pgscan: "pgscan",
  pgsteal: "pgsteal",
  pgactivate: "pgactivate",
  pgdeactivate: "pgdeactivate",
  pglazyfree: "pglazyfree",
  pglazyfreed: "pglazyfreed",
  thpFaultAlloc: "thp_fault_alloc",
  thpCollapseAlloc: "thp_collapse_alloc",
} as const satisfies Partial<Record<keyof MemoryStat, string>>;

/** Merges the entries for each operation into one entry per device. */
function ioEntries({ ioBytes, ioOperations }: ContainerStats): IOEntry[] {
  const devices = new Map<string, IOEntry>();
  const fields = [
    [ioBytes, { Read: "rbytes", Write: "wbytes" }],
    [ioOperations, { Read: "rios", Write: "wios" }],
  ] as const;
  for (const [entries, names] of fields) {
    for (const { major, minor, operation, value } of entries) {
      const field = operation === "Read" || operation === "Write" ? names[operation] : undefined;
      if (field === undefined) continue;
      const key = `${major}:${minor}`;
      const device = devices.get(key) ?? { major, minor, rbytes: 0n, wbytes: 0n, rios: 0n, wios: 0n };
      device[field] = value;
      devices.set(key, device);
    }
  }
  return [...devices.values()];
}
