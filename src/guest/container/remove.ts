/** RemoveContainer: ends what runs in it and undoes everything that was made for it. */
import { raceAbort } from "../../util/abort.ts";
import { messageOf } from "../../util/errors.ts";
import type { Logger } from "../../util/log.ts";
import type { Container } from "./container.ts";

/**
 * The container is gone when this returns.
 * @throws KumiteError `aborted`, `timeout` when its processes did not end in time: the container is still there then
 */
export async function removeContainer(container: Container, log: Logger, signal: AbortSignal): Promise<void> {
  container.cgroup.kill();
  await container.cgroup.whenEmpty(signal);
  await raceAbort(container.first.exited, signal);
  container.processes.close();
  await container.guestHooks?.poststop(signal);
  // What fails here is told, not returned: the container is gone for the host, and a second try would find no more.
  for (const { name, error } of await container.undo.close()) {
    log.error("clean-up failed", { container: container.id, what: name, error: messageOf(error) });
  }
}
