/**
 * The size of a sandbox that is never changed after its boot (`static_sandbox_resource_mgmt`): from what the pod as a
 * whole is allowed, which newer engines say in annotations, or from the one container there is. Pure.
 */
import type { OciResources } from "../oci/spec.ts";
import { type Demand, demandOf, type SizingBase, sizeSandbox } from "./sizing.ts";

const prefix = "io.kubernetes.cri.sandbox-";
const names = { period: "cpu-period", quota: "cpu-quota", shares: "cpu-shares", memory: "memory" } as const;
/** What is asked for here. */
export const sizeAnnotations: readonly string[] = Object.values(names).map((name) => `${prefix}${name}`);
const sharesPerCpu = 1024;

export interface StaticSizing {
  /** What the machine boots with; there is no room for more. */
  readonly base: SizingBase;
  /** CPUs of the workload alone. */
  readonly workloadVcpus: number;
  readonly workloadMemoryMiB: number;
  /** Annotations that could not be read and count as 0. One sentence each. */
  readonly notices: readonly string[];
}

/** Of a pod, by the annotations of its sandbox container. */
export function staticPodSizing(base: SizingBase, annotations: Readonly<Record<string, string>>): StaticSizing {
  const notices: string[] = [];
  const read = (name: string): number => {
    const text = annotations[`${prefix}${name}`];
    if (text === undefined) return 0;
    if (/^[+-]?\d{1,19}$/.test(text)) return Number(text);
    notices.push(`annotation ${prefix}${name} is ${JSON.stringify(text.slice(0, 40))} and no integer: 0 is used`);
    return 0;
  };
  const [cpuPeriodUs, cpuQuotaUs] = [read(names.period), read(names.quota)];
  const shares = read(names.shares);
  const demand: Demand = { id: "pod", cpuPeriodUs, cpuQuotaUs, memoryBytes: read(names.memory) };
  // Without a quota the shares are the only thing that tells how large the pod is meant to be.
  const fromShares = cpuQuotaUs < 0 && shares > 0 ? Math.ceil(shares / sharesPerCpu) : 0;
  return { ...staticSizing(base, demand, fromShares), notices };
}

/** Of a container that is alone in its sandbox. */
export function staticContainerSizing(base: SizingBase, id: string, resources: OciResources): StaticSizing {
  const { cpus: _set, hugePageBytes: _pages, ...demand } = demandOf(id, resources);
  return { ...staticSizing(base, demand, 0), notices: [] };
}

function staticSizing(base: SizingBase, demand: Demand, cpusWithoutQuota: number): Omit<StaticSizing, "notices"> {
  const sizing = sizeSandbox("fractional", base, [demand]);
  const workloadVcpus = sizing.workloadVcpus > 0 ? sizing.workloadVcpus : cpusWithoutQuota;
  const vcpus = base.vcpus + workloadVcpus;
  const most = Math.max(1, Math.min(Math.ceil(vcpus), base.maxVcpus));
  return {
    base: {
      vcpus: Math.min(vcpus, most),
      maxVcpus: most,
      memoryMiB: sizing.memoryMiB,
      maxMemoryMiB: sizing.memoryMiB,
    },
    workloadVcpus,
    workloadMemoryMiB: sizing.wanted.memoryMiB - base.memoryMiB,
  };
}
