/** How much CPU time a sandbox's vCPUs may use on the host: as much as its containers together. Pure. */

/** A share of CPU time: that much of each period, in `µs`. May be more than one CPU. */
export interface CpuLimit {
  readonly quotaUs: number;
  readonly periodUs: number;
}

/** Quota and period of one container; a value of 0 or less, or `undefined`, means no limit. */
export interface CpuDemand {
  readonly quota?: number | undefined;
  readonly period?: number | undefined;
}

/**
 * The first limit sets the period, and the other limits are converted to it: 5000 of 10000 and 40 of 100 are 9000 of
 * 10000. Containers without a limit add nothing. `undefined` if none has a limit.
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

/** The kernel's smallest quota. */
const leastQuotaUs = 1000;
/** Share of one CPU: with less, kernel and agent respond too late. The guest still enforces the container's limit. */
const leastShare = 0.1;

/** The limit that is set on the host. */
export function enforceable({ quotaUs, periodUs }: CpuLimit): CpuLimit {
  return { quotaUs: Math.max(quotaUs, leastQuotaUs, Math.ceil(periodUs * leastShare)), periodUs };
}
