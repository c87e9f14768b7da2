/**
 * What this process has made on the host for one container, or for a sandbox and the container that it was made with. Steps
 * that the verb has made before stay in the journal for `recover.ts`.
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
  /** Steps that were there before; they are for others to undo. */
  readonly foreignSteps: number;
}

/** Of a sandbox: the command that started this process has handed it over; from now on only we write. */
export async function takeOwnJournal(os: Os, paths: ContainerPaths): Promise<HostResources> {
  const content = await readJournal(os, paths.journal);
  if (content?.owner.pid !== os.self.pid || content.owner.startTicks !== os.self.startTicks) {
    throw new KumiteError("internal", `the journal ${paths.journal} was not handed to this process`, {
      data: { owner: content?.owner.pid, pid: os.self.pid },
    });
  }
  return resources(os, paths, content, stepsOfVerb(content));
}

/** What follows the processes that it has started was made ahead for us. */
function stepsOfVerb({ steps }: JournalContent): number {
  const last = steps.findLastIndex((step) => step.kind === "process" && step.key === "relay");
  return last < 0 ? steps.length : last + 1;
}

/** Of a container that is added to the sandbox: the command that asks for it does not write any more. */
export async function takeJournalOf(os: Os, paths: ContainerPaths, sandbox: string): Promise<HostResources> {
  const content = await readJournal(os, paths.journal);
  if (content?.sandbox !== sandbox) {
    throw new KumiteError("internal", `the journal ${paths.journal} is not that of a container of sandbox ${sandbox}`, {
      data: { sandbox, found: content?.sandbox },
    });
  }
  const { pid, startTicks } = os.self;
  const taken = resources(os, paths, { ...content, owner: { pid, startTicks } });
  await taken.journal.record();
  return taken;
}

function resources(
  os: Os,
  paths: ContainerPaths,
  content: JournalContent,
  foreignSteps = content.steps.length,
): HostResources {
  return { journal: new Journal(os, paths.journal, content), foreignSteps };
}

/** Never rejects: what could not be undone is in the log, and stays in the journal. */
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

/** Lets go of a container's journal: from now on it is whoever deletes the container that writes. Never rejects. */
export async function releaseJournal({ journal }: HostResources, log: Logger): Promise<void> {
  await journal
    .handOver(nobody)
    .catch((error: unknown) => log.warn(`the journal cannot be written: ${messageOf(error)}`, { phase: "delete" }));
}
