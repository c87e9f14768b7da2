/**
 * A step describes, as data, one resource on the host that must be removed with its sandbox. It is written to the
 * journal before the resource is created. This file knows the steps, but not how they are undone (`undo.ts`) or kept
 * (`journal.ts`).
 */
import type { ProcessId } from "../sys/os.ts";

/** A step is written before its resource exists; pid and start time of a process are added afterwards. */
export type Step =
  /** A directory of Kumite's own, with everything in it. */
  | { readonly kind: "directory"; readonly path: string }
  | { readonly kind: "file"; readonly path: string }
  /** With everything mounted below it. */
  | { readonly kind: "mount"; readonly target: string }
  /** Created by Kumite for one sandbox: every process in it is killed. */
  | { readonly kind: "cgroup"; readonly path: string }
  /** A parent of a cgroup, created by Kumite but perhaps used by others since: removed only if it is empty. */
  | { readonly kind: "cgroup-parent"; readonly path: string }
  | { readonly kind: "process"; readonly key: string; readonly pid?: number; readonly startTicks?: number };

export type StepKind = Step["kind"];

/** Every kind of step, for crash tests that cover them all. The type ensures that none is missing. */
export const stepKinds = Object.keys({
  directory: true,
  file: true,
  mount: true,
  cgroup: true,
  "cgroup-parent": true,
  process: true,
} satisfies Record<StepKind, true>) as readonly StepKind[];

/** Steps with the same key stand for the same resource. */
export function stepKey(step: Step): string {
  switch (step.kind) {
    case "directory":
    case "file":
    case "cgroup":
    case "cgroup-parent":
      return `${step.kind} ${step.path}`;
    case "mount":
      return `mount ${step.target}`;
    case "process":
      return `process ${step.key}`;
  }
}

/** The process of a step, once it has been added. */
export function processOf(step: Step): ProcessId | undefined {
  if (step.kind !== "process" || step.pid === undefined || step.startTicks === undefined) return undefined;
  return { pid: step.pid, startTicks: step.startTicks };
}
