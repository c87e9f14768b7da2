/**
 * The only place that knows how to undo a step; clean-up after a failure and recovery after a crash both come here.
 * Undoing twice is harmless: a thing that is gone is a success.
 */
import type { Os } from "../sys/os.ts";
import { withDeadline } from "../util/deadline.ts";
import { isSystemError } from "../util/errors.ts";
import { retry } from "../util/retry.ts";
import { signalNumbers } from "../util/signals.ts";
import { missingIsFine } from "./missing-is-fine.ts";
import { processOf, type Step, stepKey } from "./step.ts";
import { removeCgroup, removeCgroupParent } from "./undo-cgroup.ts";

/** Of one step. Generous: a VMM with gigabytes of memory takes seconds to go on a busy host. */
const stepTimeoutMs = 10_000;

export interface UndoFailure {
  readonly step: Step;
  readonly error: unknown;
}

/**
 * Undoes the steps, newest first, each within its own time limit and whatever happened to the one before. Takes no
 * signal on purpose: the caller's abort is often why this runs.
 *
 * @returns the steps that failed; what they stand for may still exist
 */
export async function undoAll(os: Os, steps: readonly Step[]): Promise<UndoFailure[]> {
  const failures: UndoFailure[] = [];
  for (const step of [...steps].reverse()) {
    try {
      await withDeadline(stepTimeoutMs, `undoing ${stepKey(step)}`, (signal) => undo(os, step, signal));
    } catch (error) {
      failures.push({ step, error });
    }
  }
  return failures;
}

async function undo(os: Os, step: Step, signal: AbortSignal): Promise<void> {
  switch (step.kind) {
    case "directory":
      return removeTree(os, step.path, signal);
    case "file":
      return missingIsFine(os, step.path, os.files.removeFile(step.path));
    case "mount":
      return unmountAll(os, step.target);
    case "cgroup":
      return removeCgroup(os, step.path, signal);
    case "cgroup-parent":
      return removeCgroupParent(os, step.path);
    case "process":
      return killProcess(os, step, signal);
  }
}

/** Somebody who is just going may still hold a mount in it or add a file: EBUSY and ENOTEMPTY are tried again. */
async function removeTree(os: Os, path: string, signal: AbortSignal): Promise<void> {
  await retry(() => missingIsFine(os, path, os.files.removeTree(path)), {
    what: `removing ${path}`,
    timeoutMs: 8000,
    signal,
    retryIf: (error) => isSystemError(error, "EBUSY", "ENOTEMPTY"),
  });
}

/** Detaches what is mounted at the target, however often, with everything below. Never follows a link of the guest. */
async function unmountAll(os: Os, target: string): Promise<void> {
  const layers = (await os.mounts.table()).filter((mount) => mount.target === target).length;
  for (let layer = 0; layer < layers; layer++)
    await missingIsFine(os, target, os.mounts.unmount(target, { lazy: true }));
}

/** A step without pid is a process that never was, or one that its cgroup kills. */
async function killProcess(os: Os, step: Step, signal: AbortSignal): Promise<void> {
  const id = processOf(step);
  // A sandbox in this process, as in the library, ends before its journal is worked off.
  if (id?.pid === os.self.pid) return;
  if (id !== undefined && (await os.processes.signal(id, signalNumbers.SIGKILL)))
    await os.processes.waitGone(id, signal);
}
