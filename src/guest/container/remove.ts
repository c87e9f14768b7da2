/** RemoveContainer: ends the container's processes and undoes everything that was made for it. */
import { raceAbort } from "../../util/abort.ts";
import { messageOf } from "../../util/errors.ts";
import type { Logger } from "../../util/log.ts";
import type { Container } from "./container.ts";

/**
 * The container is gone when this resolves.
 * @throws KumiteError `aborted`, `timeout` when its processes did not end in time; then the container still exists
 */
export async function removeContainer(container: Container, log: Logger, signal: AbortSignal): Promise<void> {
  container.cgroup.kill();
  await container.cgroup.whenEmpty(signal);
  await raceAbort(container.first.exited, signal);
  container.processes.close();
  await container.guestHooks?.poststop(signal);
  // Failures are logged, not returned: for the host the container is gone, and a retry would find nothing.
  for (const { name, error } of await container.undo.close()) {
    log.error("clean-up failed", { container: container.id, what: name, error: messageOf(error) });
  }
}
