/**
 * Why a process in the foreground is gone though neither it nor its caller ended it: its machine died, or the shim that
 * keeps the machine. Who watches learns it from the verb, and not from its status alone.
 */
import { readJournal } from "../persist/journal.ts";
import { containerPaths } from "../persist/paths.ts";
import { readRecord } from "../persist/record.ts";
import { killedStatus, livingOwner } from "../sandbox/observe.ts";
import type { ShimConnection } from "../shim-client/connect.ts";
import { withDeadline } from "../util/deadline.ts";
import { isKumiteError, KumiteError } from "../util/errors.ts";
import { memoryKillIn } from "../util/memory-kills.ts";
import type { VerbContext } from "./context.ts";

/** Of a shim that lives to say so, and of one that was killed to be gone. */
const shimTimeoutMs = 5_000;

/** Says nothing when the process was killed in order. Never rejects. */
export async function tellLostMachine(
  context: VerbContext,
  id: string,
  status: number,
  shim: ShimConnection,
): Promise<void> {
  if (status !== killedStatus) return;
  const why = await lossOf(context, id, shim).catch(() => undefined);
  if (why === undefined) return;
  const lost = new KumiteError("hypervisor/exited", `container ${id}: its machine is gone`, {
    hint: `\`kumite logs ${id}\` shows what was said last`,
    cause: new Error(why),
  });
  await context.tellFailure(lost);
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
    await withDeadline(shimTimeoutMs, `the end of the shim of ${id}`, (s) => os.processes.waitGone(owner, s));
  }
  const cgroups = journal.steps.flatMap((step) => (step.kind === "cgroup" ? [step.path] : []));
  const forMemory = await memoryKillIn((path) => os.files.readText(path), cgroups);
  return `its shim died${forMemory === undefined ? "" : `: ${forMemory}`}`;
}

/** Asked for what it knows by itself: the guest may be gone. */
async function answers(shim: ShimConnection, id: string): Promise<boolean> {
  try {
    await shim.oci.sizing({ id }, { timeoutMs: shimTimeoutMs });
    return true;
  } catch (error) {
    return !isKumiteError(error, "shim/unreachable");
  }
}
