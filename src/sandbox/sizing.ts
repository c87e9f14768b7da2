/**
 * Computes how many vCPUs and how much memory a sandbox needs for what its containers ask for. Pure: knows nothing of
 * QEMU, cgroups, files or the state of containers.
 */
import type { OciResources } from "../oci/spec.ts";
import { sizeOfCpuSet } from "./cpu-set-size.ts";

/**
 * Which generation of Kata's rule applies.
 * - `per-container`: each container is rounded up by itself (up to release 1.5)
 * - `whole-sandbox`: thousandths are summed, then rounded (1.6 to 3.2)
 * - `fractional`: everything stays a fraction until the end (3.3 and later)
 */
export type SizingRule = "per-container" | "whole-sandbox" | "fractional";

/** What the VM has without containers, and what it can have at most. */
export interface SizingBase {
  /** May be a fraction: the need of the VMM and the guest themselves. */
  readonly vcpus: number;
  readonly maxVcpus: number;
  readonly memoryMiB: number;
  readonly maxMemoryMiB: number;
}

/** What one container asks for. A stopped container asks for nothing. */
export interface Demand {
  readonly id: string;
  /** CFS quota in `µs` per period; `undefined` or ≤ 0 means no limit. */
  readonly cpuQuotaUs?: number | undefined;
  /** CFS period in `µs`. */
  readonly cpuPeriodUs?: number | undefined;
  /** A cpuset such as `0-3,7`. */
  readonly cpus?: string | undefined;
  /** Memory limit in `bytes`; `undefined` or ≤ 0 means no limit. */
  readonly memoryBytes?: number | undefined;
  /** Sum of the limits on huge pages, in `bytes`. */
  readonly hugePageBytes?: number | undefined;
}

/** The size of a VM, in whole numbers as a VMM takes them. */
export interface SandboxSize {
  readonly vcpus: number;
  readonly memoryMiB: number;
}

export interface Sizing extends SandboxSize {
  readonly rule: SizingRule;
  readonly base: SizingBase;
  readonly demands: readonly Demand[];
  /** CPUs of the containers, without the base; a fraction under the rule `fractional`. */
  readonly workloadVcpus: number;
  readonly workloadSource: WorkloadSource;
  /** The result of the rule before the maximum is applied. */
  readonly wanted: SandboxSize;
}

/** Where the CPUs of the containers were taken from. A cpuset that cannot be parsed makes them 0. */
export type WorkloadSource =
  | { readonly kind: "quota" }
  | { readonly kind: "cpuset" }
  | { readonly kind: "none" }
  | { readonly kind: "unreadable-cpuset"; readonly id: string };

const mib = 1024 * 1024;
/** The kernel's value for "no limit" is close to 2^63. */
const noLimitBytes = 2 ** 62;
/** Smaller differences are rounding errors of binary fractions, such as 0.1 + 0.2. */
const precision = 1e-6;

/** The result is never below the base and never above the maximum. */
export function sizeSandbox(rule: SizingRule, base: SizingBase, demands: readonly Demand[]): Sizing {
  const { workloadVcpus, workloadSource } = workloadOf(rule, demands);
  const wanted: SandboxSize = {
    vcpus: roundUp(base.vcpus + workloadVcpus),
    memoryMiB: base.memoryMiB + Math.floor(workloadBytes(rule, demands) / mib),
  };
  const least: SandboxSize = { vcpus: Math.max(1, roundUp(base.vcpus)), memoryMiB: base.memoryMiB };
  return {
    vcpus: Math.max(least.vcpus, Math.min(wanted.vcpus, base.maxVcpus)),
    memoryMiB: Math.max(least.memoryMiB, Math.min(wanted.memoryMiB, base.maxMemoryMiB)),
    rule,
    base,
    demands,
    workloadVcpus,
    workloadSource,
    wanted,
  };
}

export function demandOf(id: string, { cpu, memory, hugepageLimits }: OciResources): Demand {
  return {
    id,
    cpuQuotaUs: cpu?.quota,
    cpuPeriodUs: cpu?.period,
    cpus: cpu?.cpus === "" ? undefined : cpu?.cpus,
    memoryBytes: memory?.limit,
    hugePageBytes: (hugepageLimits ?? []).reduce((sum, { limit }) => sum + limited(limit), 0),
  };
}

/** The CPU time that a container may use, in CPUs; 0 without a limit. */
export function cpusOf({ cpuQuotaUs = 0, cpuPeriodUs = 0 }: Demand): number {
  return cpuQuotaUs > 0 && cpuPeriodUs > 0 ? cpuQuotaUs / cpuPeriodUs : 0;
}

/** What a container adds to the VM's memory. The rule `per-container` ignores huge pages. */
export function bytesOf(rule: SizingRule, { memoryBytes = 0, hugePageBytes = 0 }: Demand): number {
  return limited(memoryBytes) + (rule === "per-container" ? 0 : limited(hugePageBytes));
}

function workloadOf(rule: SizingRule, demands: readonly Demand[]): Pick<Sizing, "workloadVcpus" | "workloadSource"> {
  if (rule === "per-container") return quotaWorkload(sum(demands.map((demand) => roundUp(cpusOf(demand)))));
  const sets = demands.map(({ id, cpus }) => ({ id, size: cpus === undefined ? 0 : sizeOfCpuSet(cpus) }));
  const unreadable = sets.find(({ size }) => size === undefined);
  if (unreadable !== undefined) {
    return { workloadVcpus: 0, workloadSource: { kind: "unreadable-cpuset", id: unreadable.id } };
  }
  const thousandths = sum(demands.map((demand) => Math.floor(cpusOf(demand) * 1000)));
  const fromQuotas = rule === "whole-sandbox" ? Math.ceil(thousandths / 1000) : sum(demands.map(cpusOf));
  if (fromQuotas > 0) return quotaWorkload(fromQuotas);
  const fromSets = sum(sets.map(({ size = 0 }) => size));
  return { workloadVcpus: fromSets, workloadSource: { kind: fromSets > 0 ? "cpuset" : "none" } };
}

function quotaWorkload(workloadVcpus: number): Pick<Sizing, "workloadVcpus" | "workloadSource"> {
  return { workloadVcpus, workloadSource: { kind: workloadVcpus > 0 ? "quota" : "none" } };
}

function workloadBytes(rule: SizingRule, demands: readonly Demand[]): number {
  return sum(demands.map((demand) => bytesOf(rule, demand)));
}

function limited(bytes: number): number {
  return bytes > 0 && bytes < noLimitBytes ? bytes : 0;
}

function roundUp(cpus: number): number {
  return Math.ceil(cpus - precision);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
