/**
 * Resource usage of a cgroup v2, in the protocol's message, which has the semantics of v1: times are in nanoseconds, no
 * limit is the largest number (for pids 0), and memory.stat is passed on as the kernel has it.
 */
import type {
  BlkioStats,
  CgroupStats,
  HugetlbStats,
  MemoryData,
  MemoryStats,
} from "../../protocol/gen/kata/control.ts";
import type { MessageInit } from "../../protocol/ttrpc/service.ts";
import { readdir } from "../../sys/linux/directory.ts";
import { currentText } from "./update-settings.ts";

const noLimit = 0xffff_ffff_ffff_ffffn;
const nsPerUs = 1000n;

/** A controller that the cgroup lacks reports zeros. */
export function readCgroupStats(directory: string): MessageInit<CgroupStats> {
  const cpu = table(directory, "cpu.stat");
  const us = (name: string): bigint => (cpu.get(name) ?? 0n) * nsPerUs;
  return {
    cpuStats: {
      cpuUsage: {
        totalUsage: us("usage_usec"),
        percpuUsage: [],
        usageInKernelmode: us("system_usec"),
        usageInUsermode: us("user_usec"),
      },
      throttlingData: {
        periods: cpu.get("nr_periods") ?? 0n,
        throttledPeriods: cpu.get("nr_throttled") ?? 0n,
        throttledTime: us("throttled_usec"),
      },
    },
    memoryStats: memoryStats(directory),
    pidsStats: { current: number(directory, "pids.current"), limit: number(directory, "pids.max", 0n) },
    blkioStats: blkioStats(directory),
    hugetlbStats: hugetlbStats(directory),
  };
}

function memoryStats(directory: string): MessageInit<MemoryStats> {
  const stats = table(directory, "memory.stat");
  return {
    cache: stats.get("file") ?? 0n,
    usage: memoryData(directory, "memory"),
    // Swap alone, while v1 reports the sum of memory and swap.
    swapUsage: memoryData(directory, "memory.swap"),
    kernelUsage: { usage: stats.get("kernel") ?? 0n, maxUsage: 0n, failcnt: 0n, limit: 0n },
    useHierarchy: true,
    stats,
  };
}

function memoryData(directory: string, prefix: string): MessageInit<MemoryData> {
  return {
    usage: number(directory, `${prefix}.current`),
    maxUsage: number(directory, `${prefix}.peak`),
    failcnt: 0n,
    limit: number(directory, `${prefix}.max`),
  };
}

/** The counters of v2, and the names that v1 has for them. */
const ioCounters: Readonly<
  Record<string, { readonly list: "ioServiceBytesRecursive" | "ioServicedRecursive"; op: string }>
> = {
  rbytes: { list: "ioServiceBytesRecursive", op: "Read" },
  wbytes: { list: "ioServiceBytesRecursive", op: "Write" },
  rios: { list: "ioServicedRecursive", op: "Read" },
  wios: { list: "ioServicedRecursive", op: "Write" },
};

function blkioStats(directory: string): MessageInit<BlkioStats> {
  const lists: Record<string, { major: bigint; minor: bigint; op: string; value: bigint }[]> = {
    ioServiceBytesRecursive: [],
    ioServicedRecursive: [],
  };
  for (const line of (currentText(directory, "io.stat") ?? "").split("\n")) {
    const [device = "", ...words] = line.split(" ");
    const numbers = /^(\d+):(\d+)$/.exec(device);
    if (numbers === null) continue;
    for (const word of words) {
      const [name = "", value = ""] = word.split("=");
      const counter = ioCounters[name];
      if (counter === undefined || !isNumber(value)) continue;
      const [, major = "0", minor = "0"] = numbers;
      lists[counter.list]?.push({ major: BigInt(major), minor: BigInt(minor), op: counter.op, value: BigInt(value) });
    }
  }
  return lists;
}

function hugetlbStats(directory: string): Map<string, HugetlbStats> {
  const sizes = readdir(directory).flatMap(({ name }) => /^hugetlb\.([0-9]+[KMG]B)\.current$/.exec(name)?.[1] ?? []);
  return new Map(
    sizes.map((size) => [
      size,
      {
        usage: number(directory, `hugetlb.${size}.current`),
        maxUsage: 0n,
        failcnt: table(directory, `hugetlb.${size}.events`).get("max") ?? 0n,
      },
    ]),
  );
}

/** Parses lines that consist of a name and a number. */
function table(directory: string, file: string): Map<string, bigint> {
  const lines = (currentText(directory, file) ?? "").split("\n").map((line) => line.split(" "));
  return new Map(lines.flatMap(([name = "", value = ""]) => (isNumber(value) ? [[name, BigInt(value)] as const] : [])));
}

/** 0 if the file does not exist. */
function number(directory: string, file: string, max = noLimit): bigint {
  const text = currentText(directory, file);
  if (text === "max") return max;
  return text !== undefined && isNumber(text) ? BigInt(text) : 0n;
}

function isNumber(text: string): boolean {
  return /^\d{1,20}$/.test(text);
}
