/** PauseContainer and ResumeContainer: freeze and thaw all processes of a container. */
import { withDeadline } from "../../util/deadline.ts";
import type { Container } from "./container.ts";

/** A process inside a system call freezes only when the kernel is done with it. */
const freezeTimeoutMs = 10_000;

/**
 * Idempotent.
 * @throws KumiteError `container/wrong-state` when the container has stopped
 * @throws KumiteError `timeout` when a process did not freeze; then all run again
 */
export async function pauseContainer(container: Container, signal: AbortSignal): Promise<void> {
  if (container.state.phase === "stopped") throw container.wrongState("running");
  // Set before freezing: a process added meanwhile would freeze before its set-up is complete.
  container.isPaused = true;
  try {
    const freeze = (limit: AbortSignal) => container.cgroup.freeze(limit);
    await withDeadline(freezeTimeoutMs, `pausing container ${container.id}`, freeze, signal);
  } catch (error) {
    container.isPaused = false;
    throw error;
  }
}

/**
 * Idempotent.
 * @throws KumiteError `container/wrong-state` when the container has stopped
 */
export async function resumeContainer(container: Container, signal: AbortSignal): Promise<void> {
  if (container.state.phase === "stopped") throw container.wrongState("paused");
  const thaw = (limit: AbortSignal) => container.cgroup.thaw(limit);
  await withDeadline(freezeTimeoutMs, `resuming container ${container.id}`, thaw, signal);
  container.isPaused = false;
}
