/** The scope of a verb that makes things: what it does not hand over is removed when the verb fails. */
import { Scope } from "../util/scope.ts";
import type { VerbContext } from "./context.ts";

/** Working off a journal may wait for another process that does the same. */
const stepTimeoutMs = 90_000;

export function undoingScope({ tellFailure }: VerbContext): Scope {
  return new Scope({
    stepTimeoutMs,
    // The error that made the verb fail is told after this one, and comes last in the log.
    onFailure: ({ error }) => void tellFailure(error),
  });
}
