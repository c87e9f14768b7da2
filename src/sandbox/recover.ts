/**
 * Removes what a container has on the host, as listed in its journal, and the sandbox if the container is its first:
 * after a stop, a failed create, or the death of any process. Runs on the small engine (client verbs) and on Node.
 * Idempotent, and safe to run twice at the same time.
 */
import { releaseClaim } from "../persist/claim.ts";
import { type JournalContent, readJournal } from "../persist/journal.ts";
import { keepLogs } from "../persist/kept-logs.ts";
import { type ContainerPaths, containerPaths } from "../persist/paths.ts";
import { readRecord } from "../persist/record.ts";
import { stepKey } from "../persist/step.ts";
import { type UndoFailure, undoAll } from "../persist/undo.ts";
import type { Os } from "../sys/os.ts";
import { withDeadline } from "../util/deadline.ts";
import { isSystemError, KumiteError, messageOf } from "../util/errors.ts";
import type { Logger } from "../util/log.ts";
import { signalNumbers } from "../util/signals.ts";
import { readPoststopHooks, runPoststopHooks } from "./hooks-poststop.ts";
import { livingOwner } from "./observe.ts";

/** How long to wait for another recovery of the same container. */
const lockTimeoutMs = 60_000;
/** How long the killed shim or create may take to be gone. */
const ownerTimeoutMs = 10_000;

/**
 * Ends every process of the container, undoes every step, removes the directory and runs the poststop hooks. The caller
 * decides beforehand whether the container may be removed. A container that does not exist is a success; a directory
 * without a journal is not a container.
 *
 * @param log receives the failures of hooks
 * @param shim `"has let go"` if the living shim of the container's sandbox has confirmed that it no longer writes the
 *   journal, which still names it if there was no space to write that down
 * @throws KumiteError `cleanup/incomplete` naming what could not be removed (the rest is gone, and the call can be
 *   repeated); `container/wrong-state` while the shim of the container's sandbox holds it; `journal/corrupt`
 */
export async function recoverContainer(
  os: Os,
  root: string,
  id: string,
  log?: Pick<Logger, "warn">,
  shim: "may hold it" | "has let go" = "may hold it",
): Promise<void> {
  const paths = containerPaths(root, id);
  await withLockedJournal(os, paths, async (journal) => {
    const failure = await failureOf(os, paths, journal);
    if (journal.sandbox === undefined || shim === "may hold it") await endOwner(os, root, journal);
    await undoSteps(os, paths, journal);
    const poststop = await readPoststopHooks(os, paths.poststop, log);
    await releaseClaim(os, root, paths, async (directory) => {
      if (failure !== undefined) {
        await keepLogs(os, { root, id, directory, reason: failure }).catch((error: unknown) =>
          log?.warn(`the logs of ${id} are not kept: ${messageOf(error)}`),
        );
      }
      await runPoststopHooks(os, poststop, directory, log);
    });
  });
}

/**
 * Removes what a dead container still has on the host, but keeps its id and record, since its exit status may still be
 * asked for. Does nothing while a process owns the container.
 *
 * @throws KumiteError `cleanup/incomplete`, `journal/corrupt`
 */
export async function emptyContainer(os: Os, root: string, id: string): Promise<void> {
  const paths = containerPaths(root, id);
  await withLockedJournal(os, paths, async (journal) => {
    if ((await livingOwner(os, journal)) === undefined) await undoSteps(os, paths, journal);
  });
}

/** Calls `act` unless the container is gone or its id belongs to another container by now. */
async function withLockedJournal(
  os: Os,
  paths: ContainerPaths,
  act: (journal: JournalContent) => Promise<void>,
): Promise<void> {
  const before = await readJournal(os, paths.journal);
  if (before === undefined) return;
  await using lock = await lockContainer(os, paths);
  if (lock === undefined) return;
  const journal = await readJournal(os, paths.journal);
  // Another recovery was faster. Somebody may have claimed the id since, and that container must not be touched.
  if (journal?.token === before.token) await act(journal);
}

async function undoSteps(os: Os, paths: ContainerPaths, { id, steps }: JournalContent): Promise<void> {
  const failures = await undoAll(os, steps);
  if (failures.length > 0) throw incomplete(id, paths, failures);
}

/** Why somebody may want to read the logs once everything else is gone; `undefined` if nothing went wrong. */
async function failureOf(os: Os, paths: ContainerPaths, journal: JournalContent): Promise<string | undefined> {
  // An unreadable record must not prevent the removal of a sandbox.
  const record = await readRecord(os, paths.state).catch(() => undefined);
  if (record?.failure !== undefined) return record.failure;
  switch (record?.status.phase) {
    case undefined:
    case "stopped":
      return undefined;
    case "creating":
      return "it was not created";
    default:
      return (await livingOwner(os, journal)) === undefined ? "its shim died" : undefined;
  }
}

/** `undefined` if the container has disappeared meanwhile. */
async function lockContainer(os: Os, paths: ContainerPaths): Promise<AsyncDisposable | undefined> {
  try {
    return await withDeadline(lockTimeoutMs, `waiting for ${paths.lock}`, (signal) =>
      os.files.lock(paths.lock, signal),
    );
  } catch (error) {
    if (isSystemError(error, "ENOENT")) return undefined;
    throw error;
  }
}

/** Comes first, so that nothing is made while things are being removed. A failing create recovers itself. */
async function endOwner(os: Os, root: string, journal: JournalContent): Promise<void> {
  const owner = await livingOwner(os, journal);
  if (owner === undefined || owner.pid === os.self.pid) return;
  await refuseShimOfOthers(os, root, journal);
  await os.processes.signal(owner, signalNumbers.SIGKILL);
  await withDeadline(ownerTimeoutMs, `waiting for process ${owner.pid} to end`, (signal) =>
    os.processes.waitGone(owner, signal),
  );
}

/** Removing one container must not end all others in its sandbox: the shim has to release this container first. */
async function refuseShimOfOthers(os: Os, root: string, { id, sandbox, owner }: JournalContent): Promise<void> {
  if (sandbox === undefined) return;
  const own = (await readJournal(os, containerPaths(root, sandbox).journal))?.owner;
  if (own?.pid !== owner.pid || own.startTicks !== owner.startTicks) return;
  throw new KumiteError("container/wrong-state", `container ${id} is still held by the shim of sandbox ${sandbox}`, {
    phase: "recover",
    hint: `if that shim does not answer, \`kumite delete --force ${sandbox}\` ends the sandbox; then try again`,
    data: { id, sandbox, pid: owner.pid },
  });
}

function incomplete(id: string, paths: ContainerPaths, failures: readonly UndoFailure[]): KumiteError {
  const list = failures.map(({ step, error }) => `${stepKey(step)}: ${messageOf(error)}`);
  return new KumiteError("cleanup/incomplete", `container ${id}: not everything could be removed: ${list.join("; ")}`, {
    phase: "recover",
    hint: `remove what holds it and run \`kumite delete --force ${id}\` again; ${paths.journal} has the list`,
    data: { id, failed: list },
    cause: failures[0]?.error,
  });
}
