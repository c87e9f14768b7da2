/** CPU and I/O scheduling of a process. Needs privileges that its user may not have. */
import { ioprio_set, sched_setaffinity, sched_setattr } from "../../sys/linux/scheduling.ts";
import type { ProcessPlan } from "../spec/plan.ts";
import { step } from "./step.ts";

export function setScheduling({ scheduler, ioPriority }: ProcessPlan): void {
  if (scheduler !== undefined) step("setting process.scheduler", () => sched_setattr(scheduler));
  if (ioPriority !== undefined) step("setting process.ioPriority", () => ioprio_set(ioPriority));
}

/**
 * For an exec process, which is in its container's cgroup already: the kernel restricts the set to the cgroup's CPUs.
 */
export function setAffinity({ affinity }: ProcessPlan): void {
  if (affinity !== undefined) step("setting process.execCPUAffinity.final", () => sched_setaffinity(affinity));
}
