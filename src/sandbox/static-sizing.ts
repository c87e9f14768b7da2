/**
 * The size of a sandbox that never changes after its boot (`static_sandbox_resource_mgmt`). It is taken from the limits
 * of the whole pod, which newer engines pass as annotations, or from the sandbox's only container. Pure.
 */
import type { OciResources } from "../oci/spec.ts";
import { type Demand, demandOf, type SizingBase, sizeSandbox } from "./sizing.ts";

const prefix = "io.kubernetes.cri.sandbox-";
const names = { period: "cpu-period", quota: "cpu-quota", shares: "cpu-shares", memory: "memory" } as const;
/** The annotations that are read here. */
export const sizeAnnotations: readonly string[] = Object.values(names).map((name) => `${prefix}${name}`);
const sharesPerCpu = 1024;

export interface StaticSizing {
  /** The size that the VM boots with, which is also its maximum. */
  readonly base: SizingBase;
  /** CPUs of the workload alone. */
  readonly workloadVcpus: number;
  readonly workloadMemoryMiB: number;
  /** Annotations that could not be parsed and count as 0, one sentence each. */
  readonly notices: readonly string[];
}

/** The size for a pod, from the annotations of its sandbox container. */
export function staticPodSizing(base: SizingBase, annotations: Readonly<Record<string, string>>): StaticSizing {
  const notices: string[] = [];
  const read = (name: string): number => {
    const text = annotations[`${prefix}${name}`];
    if (text === undefined) return 0;
    if (/^[+-]?\d{1,19}$/.test(text)) return Number(text);
    notices.push(
      `annotation ${prefix}${name} is ${JSON.stringify(text.slice(0, 40))}, which is not an integer: 0 is used`,
    );
    return 0;
  };
  const [cpuPeriodUs, cpuQuotaUs] = [read(names.period), read(names.quota)];
  const shares = read(names.shares);
  const demand: Demand = { id: "pod", cpuPeriodUs, cpuQuotaUs, memoryBytes: read(names.memory) };
  // Without a quota only the shares tell how large the pod is meant to be.
  const fromShares = cpuQuotaUs < 0 && shares > 0 ? Math.ceil(shares / sharesPerCpu) : 0;
  return { ...staticSizing(base, demand, fromShares), notices };
}

/** The size for a container that is alone in its sandbox. */
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
