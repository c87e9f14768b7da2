/** Reports a sizing as numbers (JSON) and as text. Pure. */
import { bytesOf, cpusOf, type SandboxSize, type Sizing, type SizingRule } from "./sizing.ts";

const mib = 1024 * 1024;

/** What `kumite sizing --json` prints. */
export interface SizingReport {
  readonly rule: SizingRule;
  readonly vcpus: {
    readonly base: number;
    readonly workload: number;
    /** What the workload was derived from: `quota`, `cpuset`, `unreadable-cpuset` or `none`. */
    readonly source: Sizing["workloadSource"]["kind"];
    readonly wanted: number;
    readonly maximum: number;
    readonly result: number;
  };
  readonly memoryMiB: {
    readonly base: number;
    readonly workload: number;
    readonly wanted: number;
    readonly maximum: number;
    readonly result: number;
  };
  readonly containers: readonly SizingShare[];
  /** Size of the running VM; missing if there is none. */
  readonly machine?: SandboxSize | undefined;
}

interface SizingShare {
  readonly id: string;
  readonly cpus: number;
  readonly quota: number | null;
  readonly period: number | null;
  readonly cpuset: string | null;
  readonly memoryBytes: number;
}

export function reportOf(sizing: Sizing, machine?: SandboxSize): SizingReport {
  const { rule, base, demands, workloadVcpus, workloadSource, wanted } = sizing;
  return {
    rule,
    vcpus: {
      base: base.vcpus,
      workload: tidy(workloadVcpus),
      source: workloadSource.kind,
      wanted: wanted.vcpus,
      maximum: base.maxVcpus,
      result: sizing.vcpus,
    },
    memoryMiB: {
      base: base.memoryMiB,
      workload: wanted.memoryMiB - base.memoryMiB,
      wanted: wanted.memoryMiB,
      maximum: base.maxMemoryMiB,
      result: sizing.memoryMiB,
    },
    containers: demands.map((demand) => ({
      id: demand.id,
      cpus: tidy(cpusOf(demand)),
      quota: demand.cpuQuotaUs ?? null,
      period: demand.cpuPeriodUs ?? null,
      cpuset: demand.cpus ?? null,
      memoryBytes: bytesOf(rule, demand),
    })),
    ...(machine === undefined ? {} : { machine }),
  };
}

/** Lines of text for people. */
export function explainSizing({ rule, vcpus, memoryMiB, containers, machine }: SizingReport): string[] {
  return [
    `rule: ${rule} (${ruleTexts[rule]})`,
    `vcpus: ${vcpuFormula(rule, vcpus)} = ${vcpus.wanted}${limit(vcpus)}`,
    ...containers.map((container) => `  ${container.id}: ${cpuText(container)}`),
    `memory: default_memory ${memoryMiB.base} MiB + ${memoryMiB.workload} MiB = ${memoryMiB.wanted} MiB${limit(memoryMiB)}`,
    ...containers.map((container) => `  ${container.id}: ${memoryText(container)}`),
    ...(machine === undefined ? [] : [`VM: ${machine.vcpus} vcpus, ${machine.memoryMiB} MiB`]),
  ];
}

const ruleTexts: Readonly<Record<SizingRule, string>> = {
  "per-container": "each container is rounded up alone",
  "whole-sandbox": "thousandths of all containers are summed, then rounded up",
  fractional: "everything is summed, then rounded up once",
};

function vcpuFormula(rule: SizingRule, { base, workload, source }: SizingReport["vcpus"]): string {
  const terms = `default_vcpus ${base} + ${workload}${sourceTexts[source]}`;
  return rule === "fractional" ? `ceil(${terms})` : terms;
}

const sourceTexts: Readonly<Record<SizingReport["vcpus"]["source"], string>> = {
  quota: "",
  none: "",
  cpuset: " (size of the cpusets, since nothing has a quota)",
  "unreadable-cpuset": " (a cpuset cannot be read)",
};

function cpuText({ cpus, quota, period, cpuset }: SizingShare): string {
  const set = cpuset === null ? "" : `cpuset ${cpuset}`;
  if (cpus === 0) return set === "" ? "no cpu limit" : `no cpu quota, ${set}`;
  const share = `quota ${quota} / period ${period} = ${cpus}`;
  return set === "" ? share : `${share}, ${set}`;
}

function memoryText({ memoryBytes }: SizingShare): string {
  return memoryBytes === 0 ? "no memory limit" : `${memoryBytes} bytes = ${tidy(memoryBytes / mib)} MiB`;
}

function limit({ wanted, maximum, result }: { wanted: number; maximum: number; result: number }): string {
  return wanted === result ? "" : `, at most ${maximum}: ${result}`;
}

/** Rounds away the error of binary fractions. */
function tidy(value: number): number {
  return Number(value.toFixed(3));
}
