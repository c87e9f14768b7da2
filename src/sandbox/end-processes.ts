/** What becomes of the processes of containers that go: those that end by themselves are heard, the others are told dead. */
import { withDeadline } from "../util/deadline.ts";
import { messageOf } from "../util/errors.ts";
import { killedStatus } from "./observe.ts";
import type { SandboxProcess } from "./process.ts";
import { recordContainer } from "./record.ts";
import type { Sandbox } from "./sandbox.ts";

/** For processes that end with their container to have their own status told. */
const lastWordsMs = 5_000;

/** What ran beside a container's own process ends with it; its waiters should hear the true status. */
export async function lastWords(sandbox: Sandbox, id: string): Promise<void> {
  const processes = sandbox.processes.of(id);
  const ending = processes.filter((process) => process.state.phase === "running");
  const own = processes.find((process) => process.key.execId === undefined);
  if (own?.state.phase !== "stopped" || ending.length === 0) return;
  const ended = Promise.all(ending.map((process) => process.exited));
  await withDeadline(lastWordsMs, "the end of all processes", () => ended).catch(() => {});
}

/** Nothing of them runs any more: whoever waits is told so, and the record is written. Never rejects. */
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
  // A container that was never created has no status to be kept: its create fails and takes everything back.
  if (process.key.execId === undefined && container !== undefined && phase !== "creating") {
    await recordContainer(sandbox, container).catch((error: unknown) => {
      log.error(`the record cannot be written: ${messageOf(error)}`, { container: container.id });
    });
  }
  process.announce();
}
