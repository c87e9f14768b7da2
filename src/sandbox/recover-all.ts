/**
 * Removes what dead sandboxes left, after a crash of the host's services or of a test run. Runs on the small engine, in
 * the client verbs. Never touches a sandbox whose shim is alive or a create that is under way.
 */
import { listClaims, sweepTransient } from "../persist/claim.ts";
import type { Os } from "../sys/os.ts";
import { isKumiteError } from "../util/errors.ts";
import type { Logger } from "../util/log.ts";
import { observeContainer } from "./observe.ts";
import { emptyContainer, recoverContainer } from "./recover.ts";

/** Ids, sorted. */
export interface Recovery {
  /** Died without a recorded end. Nothing is left of them, not even the id. */
  readonly recovered: readonly string[];
  /** Ended with a status. Only the id and the record are left, for `delete`. */
  readonly stopped: readonly string[];
  /** Not touched. */
  readonly living: readonly string[];
  /** Names of leftovers from claims and deletes that were killed half-way. */
  readonly swept: readonly string[];
  readonly failed: readonly { readonly id: string; readonly error: unknown }[];
}

type Outcome = "recovered" | "stopped" | "living";

/** A sandbox that cannot be recovered does not prevent the recovery of others. */
export async function recoverAll(os: Os, root: string, log?: Pick<Logger, "warn">): Promise<Recovery> {
  const outcomes: Record<Outcome, string[]> = { recovered: [], stopped: [], living: [] };
  const failed: { id: string; error: unknown }[] = [];
  for (const id of (await listClaims(os, root)).sort()) {
    try {
      outcomes[await recoverOne(os, root, id, log)].push(id);
    } catch (error) {
      // The container was deleted meanwhile.
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
