/**
 * What this process has made on the host for one container, or for a sandbox and its first container. Steps that the
 * verb made earlier stay in the journal for `recover.ts`.
 */
import { Journal, type JournalContent, nobody, readJournal } from "../persist/journal.ts";
import type { ContainerPaths } from "../persist/paths.ts";
import { stepKey } from "../persist/step.ts";
import { undoAll } from "../persist/undo.ts";
import type { Os } from "../sys/os.ts";
import { KumiteError, messageOf } from "../util/errors.ts";
import type { Logger } from "../util/log.ts";

export interface HostResources {
  readonly journal: Journal;
  /** The number of steps that the verb made; this process does not undo them. */
  readonly foreignSteps: number;
}

/** Takes the journal of a sandbox, which the command has handed over. From now on only this process writes it. */
export async function takeOwnJournal(os: Os, paths: ContainerPaths): Promise<HostResources> {
  const content = await readJournal(os, paths.journal);
  if (content?.owner.pid !== os.self.pid || content.owner.startTicks !== os.self.startTicks) {
    throw new KumiteError("internal", `the journal ${paths.journal} was not handed over to this process`, {
      data: { owner: content?.owner.pid, pid: os.self.pid },
    });
  }
  // The verb has recorded the steps of what it made ahead, so most of this process's steps are there already.
  return { journal: new Journal(os, paths.journal, content, true), foreignSteps: stepsOfVerb(content) };
}

/** Steps after the relay's were made by `ahead.ts` on behalf of this process. */
function stepsOfVerb({ steps }: JournalContent): number {
  const last = steps.findLastIndex((step) => step.kind === "process" && step.key === "relay");
  return last < 0 ? steps.length : last + 1;
}

/** Takes the journal of an added container. The command that requests the container no longer writes it. */
export async function takeJournalOf(os: Os, paths: ContainerPaths, sandbox: string): Promise<HostResources> {
  const content = await readJournal(os, paths.journal);
  if (content?.sandbox !== sandbox) {
    throw new KumiteError(
      "internal",
      `the journal ${paths.journal} does not belong to a container of sandbox ${sandbox}`,
      {
        data: { sandbox, found: content?.sandbox },
      },
    );
  }
  const { pid, startTicks } = os.self;
  const journal = new Journal(os, paths.journal, { ...content, owner: { pid, startTicks } });
  await journal.record();
  return { journal, foreignSteps: content.steps.length };
}

/** Never rejects: what could not be undone is logged and stays in the journal. */
export async function undoResources(os: Os, { journal, foreignSteps }: HostResources, log: Logger): Promise<void> {
  const steps = journal.content.steps.slice(foreignSteps);
  if (steps.length === 0) return;
  const failures = await undoAll(os, steps);
  for (const { step, error } of failures) {
    log.error(`left behind: ${stepKey(step)}: ${messageOf(error)}`, { phase: "stop" });
  }
  const failed = new Set(failures.map(({ step }) => step));
  await journal
    .forget(steps.filter((step) => !failed.has(step)))
    .catch((error: unknown) => log.warn(`the journal cannot be written: ${messageOf(error)}`, { phase: "stop" }));
}

/** Lets go of a container's journal. From now on the process that deletes the container writes it. Never rejects. */
export async function releaseJournal({ journal }: HostResources, log: Logger): Promise<void> {
  await journal
    .handOver(nobody)
    .catch((error: unknown) => log.warn(`the journal cannot be written: ${messageOf(error)}`, { phase: "delete" }));
}
