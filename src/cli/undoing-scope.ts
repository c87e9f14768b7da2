/** The scope of a verb that makes things. If the verb fails, everything that was not handed over is removed. */
import { Scope } from "../util/scope.ts";
import type { VerbContext } from "./context.ts";

/** Working off a journal may have to wait for another process that is doing the same. */
const stepTimeoutMs = 90_000;

export function undoingScope({ tellFailure }: VerbContext): Scope {
  return new Scope({
    stepTimeoutMs,
    // Reported before the verb's own error, which therefore comes last in the log.
    onFailure: ({ error }) => void tellFailure(error),
  });
}
