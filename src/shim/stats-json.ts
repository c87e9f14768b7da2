/**
 * A container's statistics as the JSON that runc prints as `data`, key by key (types.Stats of runc 1.1 on cgroup
 * version 2). 64-bit numbers are exact, and most keys are omitted if they are zero. Pure.
 */
import type { ContainerStats, IoStats, UsageStats } from "../sandbox/stats.ts";

const noLimit = 0xffff_ffff_ffff_ffffn;

/** A JSON value. Keys with the value `undefined` are omitted. */
type Json = bigint | string | null | readonly Json[] | { readonly [key: string]: Json | undefined };

export function statsJson(stats: ContainerStats): string {
  const { cpu, memory, pids, hugePages, interfaces } = stats;
  return write({
    cpu: {
      usage: { total: given(cpu.totalNs), kernel: cpu.kernelNs, user: cpu.userNs },
      throttling: {
        periods: given(cpu.periods),
        throttledPeriods: given(cpu.throttledPeriods),
        throttledTime: given(cpu.throttledNs),
      },
    },
    cpuset: emptyCpuset,
    memory: {
      cache: given(memory.cache),
      usage: usage(memory.usage),
      swap: usage(withMemory(memory.swap, memory.usage)),
      kernel: emptyUsage,
      kernelTCP: emptyUsage,
      raw: memory.raw.size === 0 ? undefined : object([...memory.raw].sort(byName)),
    },
    pids: { current: given(pids.current), limit: given(pids.limit) },
    blkio: { ioServiceBytesRecursive: io(stats.ioBytes), ioServicedRecursive: io(stats.ioOperations) },
    hugetlb: object(
      [...hugePages]
        .sort(byName)
        .map(([size, value]) => [size, { usage: given(value.usage), failcnt: value.failures }]),
    ),
    intel_rdt: {},
    network_interfaces: interfaces.length === 0 ? null : interfaces.map(networkInterface),
  });
}

/** These exist only in cgroup version 1; a guest has version 2. */
const emptyUsage: Json = { limit: 0n, failcnt: 0n };
const emptyCpuset: Json = {
  cpu_exclusive: 0n,
  mem_hardwall: 0n,
  mem_exclusive: 0n,
  memory_migrate: 0n,
  memory_spread_page: 0n,
  memory_spread_slab: 0n,
  memory_pressure: 0n,
  sched_load_balance: 0n,
  sched_relax_domain_level: 0n,
};

function usage({ limit, usage: used, maxUsage }: UsageStats): Json {
  return { limit, usage: given(used), max: given(maxUsage), failcnt: 0n };
}

/** Readers expect the sum of swap and memory, as in version 1. The maxima are not summed: they differ in time. */
function withMemory(swap: UsageStats, memory: UsageStats): UsageStats {
  const sum = (a: bigint, b: bigint): bigint => (a + b > noLimit ? noLimit : a + b);
  return {
    usage: sum(swap.usage, memory.usage),
    maxUsage: 0n,
    limit: swap.limit === noLimit ? noLimit : sum(swap.limit, memory.limit),
  };
}

function io(entries: readonly IoStats[]): Json | undefined {
  if (entries.length === 0) return undefined;
  return entries.map(({ major, minor, operation, value }) => ({
    major: given(major),
    minor: given(minor),
    op: operation,
    value: given(value),
  }));
}

function networkInterface(counters: ContainerStats["interfaces"][number]): Json {
  return {
    Name: counters.name,
    RxBytes: counters.rxBytes,
    RxPackets: counters.rxPackets,
    RxErrors: counters.rxErrors,
    RxDropped: counters.rxDropped,
    TxBytes: counters.txBytes,
    TxPackets: counters.txPackets,
    TxErrors: counters.txErrors,
    TxDropped: counters.txDropped,
  };
}

function given(value: bigint): bigint | undefined {
  return value === 0n ? undefined : value;
}

function byName([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : 1;
}

function object(entries: readonly (readonly [string, Json])[]): Json {
  return Object.fromEntries(entries);
}

/** JSON.stringify refuses bigint, and doubles are not exact. */
function write(value: Json): string {
  if (typeof value === "bigint") return value.toString();
  if (value === null || typeof value === "string") return JSON.stringify(value);
  if (isArray(value)) return `[${value.map(write).join(",")}]`;
  const members = Object.entries(value).flatMap(([key, item]) =>
    item === undefined ? [] : [`${JSON.stringify(key)}:${write(item)}`],
  );
  return `{${members.join(",")}}`;
}

function isArray(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}
