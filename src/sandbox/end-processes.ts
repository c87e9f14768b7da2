/**
 * What happens to the processes of a container that ends: those that end by themselves report their status, the rest
 * count as killed.
 */
import { withDeadline } from "../util/deadline.ts";
import { messageOf } from "../util/errors.ts";
import { killedStatus } from "./observe.ts";
import type { SandboxProcess } from "./process.ts";
import { recordContainer } from "./record.ts";
import type { Sandbox } from "./sandbox.ts";

/** How long processes that end with their container have to report their own status. */
const lastWordsMs = 5_000;

/**
 * Processes from `exec` end with the container's own process. Waits for them, so that their waiters get the true
 * status.
 */
export async function lastWords(sandbox: Sandbox, id: string): Promise<void> {
  const processes = sandbox.processes.of(id);
  const ending = processes.filter((process) => process.state.phase === "running");
  const own = processes.find((process) => process.key.execId === undefined);
  if (own?.state.phase !== "stopped" || ending.length === 0) return;
  const ended = Promise.all(ending.map((process) => process.exited));
  await withDeadline(lastWordsMs, "the end of all processes", () => ended).catch(() => {});
}

/**
 * Marks the container's processes as ended, answers everyone who waits for them, and writes the record. Never rejects.
 */
export async function endProcesses(sandbox: Sandbox, id: string): Promise<void> {
  for (const process of sandbox.processes.of(id)) await endProcess(sandbox, process);
}

async function endProcess(sandbox: Sandbox, process: SandboxProcess): Promise<void> {
  const { os, log } = sandbox.host;
  process.stdio.close();
  const { phase } = process.state;
  if (phase === "stopped") return;
  process.stop({ exitStatus: killedStatus, exitedMs: os.clock.now() });
  const container = sandbox.containers.get(process.key.containerId);
  // A container that was never created has no status worth recording: its create fails and undoes everything.
  if (process.key.execId === undefined && container !== undefined && phase !== "creating") {
    await recordContainer(sandbox, container).catch((error: unknown) => {
      log.error(`the record cannot be written: ${messageOf(error)}`, { container: container.id });
    });
  }
  process.announce();
}
