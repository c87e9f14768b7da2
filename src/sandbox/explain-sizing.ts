/** A sizing in words and numbers, for people and as JSON. Pure. */
import { bytesOf, cpusOf, type Demand, type SandboxSize, type Sizing } from "./sizing.ts";

const mib = 1024 * 1024;

/** What `kumite sizing --json` prints. */
export interface SizingReport {
  readonly rule: string;
  readonly vcpus: {
    readonly base: number;
    readonly workload: number;
    readonly source: string;
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
  readonly containers: readonly {
    readonly id: string;
    readonly cpus: number;
    readonly cpuset: string | null;
    readonly memoryMiB: number;
  }[];
  /** Of the running machine; missing when there is none. */
  readonly machine?: SandboxSize | undefined;
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
      cpuset: demand.cpus ?? null,
      memoryMiB: tidy(bytesOf(rule, demand) / mib),
    })),
    ...(machine === undefined ? {} : { machine }),
  };
}

/** Lines for people. */
export function explainSizing(sizing: Sizing, machine?: SandboxSize): string[] {
  const { rule, base, demands, wanted } = sizing;
  const addedMiB = wanted.memoryMiB - base.memoryMiB;
  return [
    `rule: ${rule} (${ruleTexts[rule]})`,
    `vcpus: ${vcpuFormula(sizing)} = ${wanted.vcpus}${limit(wanted.vcpus, sizing.vcpus, base.maxVcpus)}`,
    ...demands.map((demand) => `  ${demand.id}: ${cpuText(demand)}`),
    `memory: default_memory ${base.memoryMiB} MiB + ${addedMiB} MiB = ${wanted.memoryMiB} MiB` +
      limit(wanted.memoryMiB, sizing.memoryMiB, base.maxMemoryMiB),
    ...demands.map((demand) => `  ${demand.id}: ${memoryText(sizing, demand)}`),
    ...(machine === undefined ? [] : [`machine: ${machine.vcpus} vcpus, ${machine.memoryMiB} MiB`]),
  ];
}

const ruleTexts: Readonly<Record<Sizing["rule"], string>> = {
  "per-container": "each container is rounded up alone",
  "whole-sandbox": "thousandths of all containers are summed, then rounded up",
  fractional: "everything is summed, then rounded up once",
};

function vcpuFormula({ rule, base, workloadVcpus, workloadSource }: Sizing): string {
  const workload = `${tidy(workloadVcpus)}${sourceText(workloadSource)}`;
  const terms = `default_vcpus ${base.vcpus} + ${workload}`;
  return rule === "fractional" ? `ceil(${terms})` : terms;
}

function sourceText(source: Sizing["workloadSource"]): string {
  switch (source.kind) {
    case "quota":
    case "none":
      return "";
    case "cpuset":
      return " (size of the cpusets, since nothing has a quota)";
    case "unreadable-cpuset":
      return ` (the cpuset of ${source.id} cannot be read)`;
  }
}

function cpuText(demand: Demand): string {
  const cpus = cpusOf(demand);
  const set = demand.cpus === undefined ? "" : `cpuset ${demand.cpus}`;
  if (cpus === 0) return set === "" ? "no cpu limit" : `no cpu quota, ${set}`;
  const quota = `quota ${demand.cpuQuotaUs} / period ${demand.cpuPeriodUs} = ${tidy(cpus)}`;
  return set === "" ? quota : `${quota}, ${set}`;
}

function memoryText({ rule }: Sizing, demand: Demand): string {
  const bytes = bytesOf(rule, demand);
  return bytes === 0 ? "no memory limit" : `${bytes} bytes = ${tidy(bytes / mib)} MiB`;
}

function limit(wanted: number, result: number, maximum: number): string {
  return wanted === result ? "" : `, at most ${maximum}: ${result}`;
}

/** Without the tail of a binary fraction. */
function tidy(value: number): number {
  return Number(value.toFixed(3));
}
