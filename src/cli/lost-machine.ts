/**
 * Why a foreground process ended although neither it nor its caller ended it: its VM died, or the shim that owns the
 * VM. The verb reports the reason, because the exit status alone does not show it.
 */
import { readJournal } from "../persist/journal.ts";
import { containerPaths } from "../persist/paths.ts";
import { readRecord } from "../persist/record.ts";
import { killedStatus, livingOwner } from "../sandbox/observe.ts";
import type { ShimConnection } from "../shim-client/connect.ts";
import type { ExitStatus } from "../sys/os.ts";
import { withDeadline } from "../util/deadline.ts";
import { isKumiteError, isSystemError, KumiteError, messageOf } from "../util/errors.ts";
import { memoryKillIn } from "../util/memory-kills.ts";
import type { VerbContext } from "./context.ts";
import { shellStatus } from "./exit-status.ts";
import { relayKilled } from "./start-relay.ts";

/**
 * How long a live shim may take to answer, and a killed shim to disappear. On a busy host freeing the VM's memory takes
 * time.
 */
const shimTimeoutMs = 30_000;

/**
 * Reports nothing if the process was killed on purpose. Never rejects.
 * @param relay how the relay of the process has ended
 */
export async function tellLostMachine(
  context: VerbContext,
  id: string,
  relay: ExitStatus,
  shim: ShimConnection,
): Promise<void> {
  if (shellStatus(relay) !== killedStatus) return;
  const why = await lossOf(context, id, shim).catch(() => undefined);
  if (why !== undefined) await context.tellFailure(lostMachine(id, why));
  // Normally the relay exits with a status, even if its process was killed by a signal.
  else if (relay.kind === "signalled") await context.tellFailure(relayKilled(`a process in ${id}`, relay));
}

/**
 * The error to report when a process could not be reached: that the VM has ended, and why, if it has. Never rejects.
 */
export async function orLostMachine(
  context: VerbContext,
  id: string,
  shim: ShimConnection,
  error: unknown,
): Promise<unknown> {
  const mayFollow = isSystemError(error) || isKumiteError(error, "shim/unreachable", "system/failed");
  const why = mayFollow ? await lossOf(context, id, shim).catch(() => undefined) : undefined;
  return why === undefined ? error : lostMachine(id, why);
}

function lostMachine(id: string, why: string): KumiteError {
  return new KumiteError("hypervisor/exited", `container ${id}: its VM has ended`, {
    hint: `\`kumite logs ${id}\` shows the last log lines of guest and shim`,
    cause: new Error(why),
  });
}

async function lossOf({ os, root }: VerbContext, id: string, shim: ShimConnection): Promise<string | undefined> {
  const paths = containerPaths(root, id);
  const record = await readRecord(os, paths.state);
  if (record?.failure !== undefined) return record.failure;
  const journal = await readJournal(os, paths.journal);
  if (record === undefined || journal === undefined) return (await answers(shim, id)) ? undefined : "it was removed";
  if (record.status.phase === "stopped") return undefined;
  const owner = await livingOwner(os, journal);
  if (owner !== undefined) {
    if (await answers(shim, id)) return undefined;
    // A killed process closes its connections before it disappears from the process table.
    const gone = (signal: AbortSignal): Promise<void> => os.processes.waitGone(owner, signal);
    try {
      await withDeadline(shimTimeoutMs, `waiting for the shim of ${id} to end`, gone);
    } catch (error) {
      return `its shim no longer answers: ${messageOf(error)}`;
    }
  }
  const cgroups = journal.steps.flatMap((step) => (step.kind === "cgroup" ? [step.path] : []));
  const forMemory = await memoryKillIn((path) => os.files.readText(path), cgroups);
  return `its shim died${forMemory === undefined ? "" : `: ${forMemory}`}`;
}

/**
 * Asks for something the shim knows without the guest, which may be gone. Any answer counts, and so does a timeout:
 * only a broken connection means that the shim is gone.
 */
async function answers(shim: ShimConnection, id: string): Promise<boolean> {
  try {
    await shim.oci.sizing({ id }, { timeoutMs: shimTimeoutMs });
    return true;
  } catch (error) {
    // `protocol/violation`: the shim was killed in the middle of a message.
    return !isKumiteError(error, "shim/unreachable") && !isKumiteError(error, "protocol/violation");
  }
}
