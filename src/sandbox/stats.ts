/**
 * What a container uses, as reported by its guest. The numbers are the guest's responsibility, but names become keys
 * and columns elsewhere, so invalid names and implausibly many entries are dropped.
 */
import type { AgentClient } from "../agent-client/agent-client.ts";
import { wrongState } from "./container.ts";
import type { Sandbox } from "./sandbox.ts";

/** The agent's answer and its parts. */
type Answer = Awaited<ReturnType<AgentClient["statsContainer"]>>;
type CgroupStats = NonNullable<Answer["cgroupStats"]>;
type MemoryData = NonNullable<NonNullable<CgroupStats["memoryStats"]>["usage"]>;
type IoEntries = NonNullable<CgroupStats["blkioStats"]>["ioServicedRecursive"];
type NetworkStats = Answer["networkStats"][number];

const callTimeoutMs = 20_000;
const mostEntries = 256;
const mostDeviceNumber = 0xffff_ffffn;
const noLimit = 0xffff_ffff_ffff_ffffn;

/** Sizes in bytes, times in nanoseconds. "No limit" is 2^64 - 1, and 0 for the number of processes. */
export interface ContainerStats {
  readonly cpu: {
    readonly totalNs: bigint;
    readonly kernelNs: bigint;
    readonly userNs: bigint;
    readonly periods: bigint;
    readonly throttledPeriods: bigint;
    readonly throttledNs: bigint;
  };
  readonly memory: {
    readonly cache: bigint;
    readonly usage: UsageStats;
    /** Swap alone, without memory. */
    readonly swap: UsageStats;
    /** memory.stat of the container's cgroup in the guest. */
    readonly raw: ReadonlyMap<string, bigint>;
  };
  readonly pids: { readonly current: bigint; readonly limit: bigint };
  readonly ioBytes: readonly IoStats[];
  readonly ioOperations: readonly IoStats[];
  /** By size, e.g. `2MB`. */
  readonly hugePages: ReadonlyMap<string, { readonly usage: bigint; readonly failures: bigint }>;
  /** Without the loopback interface. */
  readonly interfaces: readonly NetworkStats[];
}

export interface UsageStats {
  readonly usage: bigint;
  readonly maxUsage: bigint;
  readonly limit: bigint;
}

export interface IoStats {
  readonly major: bigint;
  readonly minor: bigint;
  /** `Read` or `Write`. */
  readonly operation: string;
  readonly value: bigint;
}

/** @throws KumiteError `container/not-found`, `container/wrong-state`, `agent/failed` */
export async function containerStats(sandbox: Sandbox, id: string): Promise<ContainerStats> {
  const container = sandbox.container(id);
  const { phase } = container.process.state;
  if (phase === "stopped" || phase === "creating") throw wrongState(container, "container not running");
  const { agent } = sandbox.running().vm;
  return readStats(await agent.statsContainer({ containerId: id }, { timeoutMs: callTimeoutMs }));
}

/** Exported for tests. */
export function readStats({ cgroupStats, networkStats }: Answer): ContainerStats {
  const { cpuStats, memoryStats, pidsStats, blkioStats, hugetlbStats } = cgroupStats ?? ({} as Partial<CgroupStats>);
  const usage = cpuStats?.cpuUsage;
  const throttling = cpuStats?.throttlingData;
  return {
    cpu: {
      totalNs: usage?.totalUsage ?? 0n,
      kernelNs: usage?.usageInKernelmode ?? 0n,
      userNs: usage?.usageInUsermode ?? 0n,
      periods: throttling?.periods ?? 0n,
      throttledPeriods: throttling?.throttledPeriods ?? 0n,
      throttledNs: throttling?.throttledTime ?? 0n,
    },
    memory: {
      cache: memoryStats?.cache ?? 0n,
      usage: usageOf(memoryStats?.usage),
      swap: usageOf(memoryStats?.swapUsage),
      raw: kept(memoryStats?.stats, /^[a-z][a-z0-9_]{0,63}$/),
    },
    pids: { current: pidsStats?.current ?? 0n, limit: pidsStats?.limit ?? 0n },
    ioBytes: ioStats(blkioStats?.ioServiceBytesRecursive),
    ioOperations: ioStats(blkioStats?.ioServicedRecursive),
    hugePages: new Map(
      [...kept(hugetlbStats, /^[1-9][0-9]{0,9}[KMG]B$/)].map(([size, { usage: used, failcnt }]) => [
        size,
        { usage: used, failures: failcnt },
      ]),
    ),
    interfaces: networkStats
      .filter(({ name }) => /^[A-Za-z0-9_.-]{1,15}$/.test(name) && name !== "lo")
      .slice(0, mostEntries),
  };
}

function usageOf(data: MemoryData | undefined): UsageStats {
  return { usage: data?.usage ?? 0n, maxUsage: data?.maxUsage ?? 0n, limit: data?.limit ?? noLimit };
}

function kept<Value>(values: ReadonlyMap<string, Value> | undefined, name: RegExp): Map<string, Value> {
  return new Map([...(values ?? [])].filter(([key]) => name.test(key)).slice(0, mostEntries));
}

function ioStats(entries: IoEntries = []): IoStats[] {
  return entries
    .filter(
      ({ major, minor, op }) => major <= mostDeviceNumber && minor <= mostDeviceNumber && /^[A-Z][a-z]{0,15}$/.test(op),
    )
    .slice(0, mostEntries)
    .map(({ major, minor, op, value }) => ({ major, minor, operation: op, value }));
}
