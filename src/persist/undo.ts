/**
 * The only code that knows how to undo a step. Both clean-up after a failure and recovery after a crash use it. Undoing
 * twice is harmless: a resource that is gone is a success.
 */
import type { Os } from "../sys/os.ts";
import { withDeadline } from "../util/deadline.ts";
import { isSystemError } from "../util/errors.ts";
import { retry } from "../util/retry.ts";
import { signalNumbers } from "../util/signals.ts";
import { missingIsFine } from "./missing-is-fine.ts";
import { processOf, type Step, stepKey } from "./step.ts";
import { removeCgroup, removeCgroupParent } from "./undo-cgroup.ts";

/** Timeout of one step. On a busy host a VMM with gigabytes of memory takes seconds to exit. */
const stepTimeoutMs = 10_000;

export interface UndoFailure {
  readonly step: Step;
  readonly error: unknown;
}

/**
 * Undoes the steps, newest first. Each has its own timeout, and all are tried even if some fail. Takes no signal on
 * purpose: the caller's abort is often why this runs.
 *
 * @returns the steps that failed; their resources may still exist
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

/** An exiting process may still hold a mount in the tree or add a file, so EBUSY and ENOTEMPTY are retried. */
async function removeTree(os: Os, path: string, signal: AbortSignal): Promise<void> {
  await retry(() => missingIsFine(os, path, os.files.removeTree(path)), {
    what: `removing ${path}`,
    timeoutMs: 8000,
    signal,
    retryIf: (error) => isSystemError(error, "EBUSY", "ENOTEMPTY"),
  });
}

/** Detaches all mounts stacked on the target, with everything below. Never follows a link of the guest. */
async function unmountAll(os: Os, target: string): Promise<void> {
  const layers = (await os.mounts.table()).filter((mount) => mount.target === target).length;
  for (let layer = 0; layer < layers; layer++) {
    const unmounting = missingIsFine(os, target, os.mounts.unmount(target, { lazy: true }));
    // EINVAL: what was mounted is gone. The shim's remains may be removed by two processes.
    await unmounting.catch((error: unknown) => {
      if (!isSystemError(error, "EINVAL")) throw error;
    });
  }
}

/** A step without a pid stands for a process that never started, or that its cgroup kills. */
async function killProcess(os: Os, step: Step, signal: AbortSignal): Promise<void> {
  const id = processOf(step);
  // A sandbox inside this process, as in the library, has ended before its journal is worked off.
  if (id?.pid === os.self.pid) return;
  if (id !== undefined && (await os.processes.signal(id, signalNumbers.SIGKILL)))
    await os.processes.waitGone(id, signal);
}
