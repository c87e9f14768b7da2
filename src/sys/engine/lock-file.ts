/** flock(2) without blocking the event loop. */
import * as native from "kumite:native";
import { abortError, onAbort, throwIfAborted } from "../../util/abort.ts";
import { SystemError } from "../../util/errors.ts";
import { check, EAGAIN } from "../linux/check.ts";
import { close_range, closeQuietly, HIGHEST_DESCRIPTOR, LOCK_EX, LOCK_NB, open } from "../linux/file.ts";
import { O_CLOEXEC, O_CREAT, O_NOCTTY, O_RDWR } from "../linux/open-flags.ts";
import { exit, fork, getpid, getppid, PR_SET_PDEATHSIG, prctl } from "../linux/process.ts";
import { killIfExists, resetSignals, SIGKILL } from "../linux/signal.ts";
import { startReaper, whenExited } from "./reaper.ts";

/** Implements `Files.lock`. */
export async function lockFile(path: string, signal?: AbortSignal): Promise<AsyncDisposable> {
  throwIfAborted(signal);
  const fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY, 0o600);
  try {
    const result = native.flock(fd, LOCK_EX | LOCK_NB);
    if (result === EAGAIN) await waitForLock(fd, path, signal);
    else check(result, "flock", path);
  } catch (error) {
    closeQuietly(fd);
    throw error;
  }
  let held = true;
  return {
    async [Symbol.asyncDispose]() {
      if (held) closeQuietly(fd);
      held = false;
    },
  };
}

/**
 * Waits in a child process. The lock belongs to the open file description, which the child shares, so a lock that the
 * child gets is the parent's, too. The child dies with its parent.
 */
async function waitForLock(fd: number, path: string, signal: AbortSignal | undefined): Promise<void> {
  startReaper();
  const parent = getpid();
  const pid = fork();
  if (pid === 0) waitAsChild(fd, parent);
  let running = true;
  const exited = whenExited(pid).finally(() => {
    running = false;
  });
  const forget = onAbort(signal, () => {
    if (running) killIfExists(pid, SIGKILL);
  });
  const status = await exited;
  forget();
  if (status.kind === "exited" && status.status === 0) return;
  if (signal?.aborted === true) throw abortError(signal);
  throw new SystemError("ENOLCK", "flock", path);
}

/** The child must not keep other descriptors open: peers would not notice when the parent closes them. */
function waitAsChild(fd: number, parent: number): never {
  try {
    resetSignals();
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    // If the parent died before prctl, the child would never get the signal.
    if (getppid() !== parent) return exit(1);
    if (fd > 0) close_range(0, fd - 1);
    close_range(fd + 1, HIGHEST_DESCRIPTOR);
    return exit(native.flock(fd, LOCK_EX) === 0 ? 0 : 1);
  } catch {
    return exit(1);
  }
}
