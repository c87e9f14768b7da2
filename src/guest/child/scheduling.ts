/** How a process competes for processor and disk. Needs rights that its user may not have. */
import { ioprio_set, sched_setaffinity, sched_setattr } from "../../sys/linux/scheduling.ts";
import type { ProcessPlan } from "../spec/plan.ts";
import { step } from "./step.ts";

export function setScheduling({ scheduler, ioPriority }: ProcessPlan): void {
  if (scheduler !== undefined) step("setting process.scheduler", () => sched_setattr(scheduler));
  if (ioPriority !== undefined) step("setting process.ioPriority", () => ioprio_set(ioPriority));
}

/** Of a further process, which is in its container's cgroup already: of that the kernel takes what the set has in common. */
export function setAffinity({ affinity }: ProcessPlan): void {
  if (affinity !== undefined) step("setting process.execCPUAffinity.final", () => sched_setaffinity(affinity));
}
