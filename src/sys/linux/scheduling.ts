/** Scheduling of this process: sched_setattr(2), sched_setaffinity(2), ioprio_set(2). */
import * as native from "kumite:native";
import { check } from "./check.ts";

export interface SchedulerAttributes {
  /** SCHED_* number. */
  readonly policy: number;
  /** SCHED_FLAG_* bits. */
  readonly flags: number;
  readonly nice: number;
  readonly priority: number;
  readonly runtimeNs: bigint;
  readonly deadlineNs: bigint;
  readonly periodNs: bigint;
}

/**
 * struct sched_attr, first version: u32 size, policy; u64 flags; i32 nice; u32 priority; u64 runtime, deadline, period.
 */
function encodeSchedulerAttributes(attributes: SchedulerAttributes): Uint8Array {
  const bytes = new Uint8Array(48);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, bytes.length, true);
  view.setUint32(4, attributes.policy, true);
  view.setBigUint64(8, BigInt(attributes.flags), true);
  view.setInt32(16, attributes.nice, true);
  view.setUint32(20, attributes.priority, true);
  view.setBigUint64(24, attributes.runtimeNs, true);
  view.setBigUint64(32, attributes.deadlineNs, true);
  view.setBigUint64(40, attributes.periodNs, true);
  return bytes;
}

export function sched_setattr(attributes: SchedulerAttributes): void {
  check(native.sched_setattr(0, encodeSchedulerAttributes(attributes)), "sched_setattr");
}

/** Size of the mask that is passed to the kernel: CPUs up to 1023. */
const affinityBytes = 128;

/**
 * @param processors CPU numbers. The kernel ignores those that the system or the cgroup lacks, but fails if none is
 * left
 */
export function sched_setaffinity(processors: readonly number[]): void {
  const set = new Uint8Array(affinityBytes);
  for (const number of processors) set[number >> 3] = (set[number >> 3] ?? 0) | (1 << (number & 7));
  check(native.sched_setaffinity(0, set), "sched_setaffinity");
}

const IOPRIO_WHO_PROCESS = 1;
const IOPRIO_CLASS_SHIFT = 13;

/** `class`: IOPRIO_CLASS_* number; `level`: 0 is the highest, 7 the lowest. */
export function ioprio_set(priority: { readonly class: number; readonly level: number }): void {
  const value = (priority.class << IOPRIO_CLASS_SHIFT) | priority.level;
  check(native.ioprio_set(IOPRIO_WHO_PROCESS, 0, value), "ioprio_set");
}
