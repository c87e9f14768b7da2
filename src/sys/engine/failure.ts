/** The last resort for reporting an internal error: descriptor 2, when there is no log yet. */
import { memoryHasRunOut, write } from "kumite:native";
import { messageOf } from "../../util/errors.ts";

/** Prints message and stack of the error and its causes. If descriptor 2 does not take the text, it is lost. */
export function printInternalError(error: unknown): void {
  const cause = memoryHasRunOut() ? " after it was out of memory" : "";
  const bytes = new TextEncoder().encode(`kumite: internal error${cause}: ${describeFailure(error)}\n`);
  write(2, bytes, 0, bytes.length);
}

/** Bounded, so that a cycle of causes ends. */
export function describeFailure(error: unknown): string {
  const lines: string[] = [];
  for (let at: unknown = error, depth = 0; at !== undefined && depth < 8; depth++) {
    lines.push(`${depth === 0 ? "" : "because: "}${messageOf(at)}`);
    if (!(at instanceof Error)) break;
    if (at.stack !== undefined) lines.push(at.stack.trimEnd());
    at = at.cause;
  }
  return lines.join("\n");
}
