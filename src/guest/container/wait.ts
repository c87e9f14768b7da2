/** WaitProcess: how a process ended. Any number of callers may wait for a process, also after its end. */
import type { ExitStatus } from "../../sys/os.ts";
import { raceAbort } from "../../util/abort.ts";
import type { Container } from "./container.ts";

/** @throws KumiteError `process/not-found`, `aborted` */
export async function waitProcess(container: Container, execId: string, signal: AbortSignal): Promise<ExitStatus> {
  const gone = container.processes.statusOf(execId);
  if (gone !== undefined) return gone;
  return raceAbort(container.process(execId).exited, signal);
}
