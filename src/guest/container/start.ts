/** StartContainer: lets the first process execute its program. */
import type { Container } from "./container.ts";
import { awaitExecuted } from "./set-up.ts";

/** @throws KumiteError `container/wrong-state`; `process/executable-not-found` when the kernel refuses the program */
export async function startContainer(container: Container, signal: AbortSignal): Promise<void> {
  const control = container.leaveCreated();
  try {
    control.release();
    await awaitExecuted({ control }, signal);
    await container.guestHooks?.poststart(container.first.born.pid, signal);
  } finally {
    control.close();
  }
}
