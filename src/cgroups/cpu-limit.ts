/** How much of the host's processors the vCPUs of a sandbox may use: what its containers may use together. Pure. */

/** A share of CPU time: that much of each period, in `µs`. May be more than one CPU. */
export interface CpuLimit {
  readonly quotaUs: number;
  readonly periodUs: number;
}

/** Quota and period of one container; 0, less and `undefined` mean no limit. */
export interface CpuDemand {
  readonly quota?: number | undefined;
  readonly period?: number | undefined;
}

/**
 * The first limit gives the period, and what the others may use is counted in it: 5000 of 10000 and 40 of 100 are 9000 of
 * 10000. Containers without a limit add nothing. `undefined` when none has one.
 */
export function mergeCpuLimits(demands: readonly CpuDemand[]): CpuLimit | undefined {
  let merged: CpuLimit | undefined;
  for (const { quota = 0, period = 0 } of demands) {
    if (quota <= 0 || period <= 0) continue;
    if (merged === undefined) merged = { quotaUs: quota, periodUs: period };
    else {
      const { quotaUs, periodUs } = merged;
      merged = { quotaUs: quotaUs + Math.trunc((quota / period) * periodUs), periodUs };
    }
  }
  return merged;
}

/** The kernel's least quota. */
const leastQuotaUs = 1000;
/** Of one CPU: with less the guest's kernel and agent do not answer in time. In the guest the container's own limit holds. */
const leastShare = 0.1;

/** The limit that the kernel gets. */
export function enforceable({ quotaUs, periodUs }: CpuLimit): CpuLimit {
  return { quotaUs: Math.max(quotaUs, leastQuotaUs, Math.ceil(periodUs * leastShare)), periodUs };
}
