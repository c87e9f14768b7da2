/**
 * Why a process in the foreground is gone though neither it nor its caller ended it: its machine died, or the shim that
 * keeps the machine. Who watches learns it from the verb, and not from its status alone.
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

/** For a shim that lives to say so, and for one that was killed to be gone: with its machine's memory, on a busy host. */
const shimTimeoutMs = 30_000;

/**
 * Says nothing when the process was killed in order. Never rejects.
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
  // A relay ends with a status, whatever became of its process.
  else if (relay.kind === "signalled") await context.tellFailure(relayKilled(`a process in ${id}`, relay));
}

/** The error to report when a process could not be reached: that the VM has ended, and why, if it has. Never rejects. */
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
    // A process that is killed closes its connections before it is gone.
    const gone = (signal: AbortSignal): Promise<void> => os.processes.waitGone(owner, signal);
    try {
      await withDeadline(shimTimeoutMs, `the end of the shim of ${id}`, gone);
    } catch (error) {
      return `its shim serves nobody any more: ${messageOf(error)}`;
    }
  }
  const cgroups = journal.steps.flatMap((step) => (step.kind === "cgroup" ? [step.path] : []));
  const forMemory = await memoryKillIn((path) => os.files.readText(path), cgroups);
  return `its shim died${forMemory === undefined ? "" : `: ${forMemory}`}`;
}

/** Asked for what it knows by itself: the guest may be gone. Any answer will do, and one that is late is no loss. */
async function answers(shim: ShimConnection, id: string): Promise<boolean> {
  try {
    await shim.oci.sizing({ id }, { timeoutMs: shimTimeoutMs });
    return true;
  } catch (error) {
    // The second: it was killed while it wrote.
    return !isKumiteError(error, "shim/unreachable") && !isKumiteError(error, "protocol/violation");
  }
}
