/**
 * Translates `process.scheduler`, `process.ioPriority` and `process.execCPUAffinity` to what the kernel takes. Pure;
 * the kernel checks ranges.
 */
import type { SchedulerAttributes } from "../../sys/linux/scheduling.ts";
import type { Fields } from "./fields.ts";
import { numbersOf } from "./number-list.ts";
import type { IoPriorityPlan } from "./plan.ts";
import { wrong } from "./wrong.ts";

/** sched(7). */
const policies: ReadonlyMap<string, number> = new Map([
  ["SCHED_OTHER", 0],
  ["SCHED_FIFO", 1],
  ["SCHED_RR", 2],
  ["SCHED_BATCH", 3],
  ["SCHED_ISO", 4],
  ["SCHED_IDLE", 5],
  ["SCHED_DEADLINE", 6],
]);

/** sched_setattr(2). */
const schedulerFlags: ReadonlyMap<string, number> = new Map([
  ["SCHED_FLAG_RESET_ON_FORK", 0x01],
  ["SCHED_FLAG_RECLAIM", 0x02],
  ["SCHED_FLAG_DL_OVERRUN", 0x04],
  ["SCHED_FLAG_KEEP_POLICY", 0x08],
  ["SCHED_FLAG_KEEP_PARAMS", 0x10],
  ["SCHED_FLAG_UTIL_CLAMP_MIN", 0x20],
  ["SCHED_FLAG_UTIL_CLAMP_MAX", 0x40],
]);

/** ioprio_set(2). */
const ioClasses: ReadonlyMap<string, number> = new Map([
  ["IOPRIO_CLASS_RT", 1],
  ["IOPRIO_CLASS_BE", 2],
  ["IOPRIO_CLASS_IDLE", 3],
]);

export function readScheduler(process: Fields): SchedulerAttributes | undefined {
  const fields = process.object("scheduler");
  if (fields === undefined) return undefined;
  const policy = fields.requiredText("policy");
  return {
    policy: numberOf(policies, policy, fields.key("policy")),
    flags: fields
      .texts("flags")
      .reduce((bits, word, index) => bits | numberOf(schedulerFlags, word, `${fields.key("flags")}[${index}]`), 0),
    nice: fields.integer("nice", -20, 19) ?? 0,
    priority: fields.integer("priority", 0, 99) ?? 0,
    runtimeNs: fields.uint64("runtime") ?? 0n,
    deadlineNs: fields.uint64("deadline") ?? 0n,
    periodNs: fields.uint64("period") ?? 0n,
  };
}

export function readIoPriority(process: Fields): IoPriorityPlan | undefined {
  const fields = process.object("ioPriority");
  if (fields === undefined) return undefined;
  return {
    class: numberOf(ioClasses, fields.requiredText("class"), fields.key("class")),
    level: fields.integer("priority", 0, 7) ?? 0,
  };
}

/** The highest CPU number in the masks that are passed to sched_setaffinity(2). */
const maxProcessor = 1023;

/**
 * CPUs that an exec process is bound to; `undefined`: those of its cgroup. `initial` has no effect, because the process
 * is created in the cgroup: there is no time before it joins.
 */
export function readAffinity(process: Fields): readonly number[] | undefined {
  const fields = process.object("execCPUAffinity");
  const [, final] = ["initial", "final"].map((name) => {
    const list = fields?.text(name) ?? "";
    if (list === "") return undefined;
    const numbers = numbersOf(list, maxProcessor);
    if (numbers !== undefined) return numbers;
    throw wrong(`process.execCPUAffinity.${name}`, `is not a list of CPUs such as 0-3,7: ${JSON.stringify(list)}`);
  });
  return final;
}

function numberOf(names: ReadonlyMap<string, number>, name: string, key: string): number {
  const number = names.get(name);
  if (number === undefined)
    throw wrong(key, `must be one of ${[...names.keys()].join(", ")}, not ${JSON.stringify(name)}`);
  return number;
}
