/** PauseContainer and ResumeContainer: stops all processes of a container where they are, and lets them go on. */
import { withDeadline } from "../../util/deadline.ts";
import type { Container } from "./container.ts";

/** A process that the kernel is busy for freezes when that is over. */
const freezeTimeoutMs = 10_000;

/**
 * Twice is harmless.
 * @throws KumiteError `container/wrong-state` when it has stopped; `timeout` when a process did not freeze: all run then
 */
export async function pauseContainer(container: Container, signal: AbortSignal): Promise<void> {
  if (container.state.phase === "stopped") throw container.wrongState("running");
  // From the first moment on: a process that is added while others freeze would freeze unfinished.
  container.isPaused = true;
  try {
    const freeze = (limit: AbortSignal) => container.cgroup.freeze(limit);
    await withDeadline(freezeTimeoutMs, `pausing container ${container.id}`, freeze, signal);
  } catch (error) {
    container.isPaused = false;
    throw error;
  }
}

/** Twice is harmless. @throws KumiteError `container/wrong-state` when it has stopped */
export async function resumeContainer(container: Container, signal: AbortSignal): Promise<void> {
  if (container.state.phase === "stopped") throw container.wrongState("paused");
  const thaw = (limit: AbortSignal) => container.cgroup.thaw(limit);
  await withDeadline(freezeTimeoutMs, `resuming container ${container.id}`, thaw, signal);
  container.isPaused = false;
}
