/**
 * Removes what sandboxes left that died: after a crash of the host's services, or of a test run. Runs on the small
 * engine, in the client verbs. Sandboxes whose shim lives, and creates under way, are never touched.
 */
import { listClaims, sweepTransient } from "../persist/claim.ts";
import type { Os } from "../sys/os.ts";
import { isKumiteError } from "../util/errors.ts";
import type { Logger } from "../util/log.ts";
import { observeContainer } from "./observe.ts";
import { emptyContainer, recoverContainer } from "./recover.ts";

/** Ids, sorted. */
export interface Recovery {
  /** Died without an end that was recorded: nothing is left of them, not even the id. */
  readonly recovered: readonly string[];
  /** Have ended with a status: the id stays for `delete`, and nothing else. */
  readonly stopped: readonly string[];
  /** Left alone. */
  readonly living: readonly string[];
  /** Names of what claims and deletes left that were killed half-way. */
  readonly swept: readonly string[];
  readonly failed: readonly { readonly id: string; readonly error: unknown }[];
}

type Outcome = "recovered" | "stopped" | "living";

/** One that cannot be recovered does not keep the others from it. */
export async function recoverAll(os: Os, root: string, log?: Pick<Logger, "warn">): Promise<Recovery> {
  const outcomes: Record<Outcome, string[]> = { recovered: [], stopped: [], living: [] };
  const failed: { id: string; error: unknown }[] = [];
  for (const id of (await listClaims(os, root)).sort()) {
    try {
      outcomes[await recoverOne(os, root, id, log)].push(id);
    } catch (error) {
      // Deleted meanwhile.
      if (!isKumiteError(error, "container/not-found")) failed.push({ id, error });
    }
  }
  return { ...outcomes, swept: (await sweepTransient(os, root)).sort(), failed };
}

async function recoverOne(os: Os, root: string, id: string, log?: Pick<Logger, "warn">): Promise<Outcome> {
  const { alive, recordedEnd } = await observeContainer(os, root, id);
  if (alive !== undefined) return "living";
  if (recordedEnd) {
    await emptyContainer(os, root, id);
    return "stopped";
  }
  await recoverContainer(os, root, id, log);
  return "recovered";
}
