/** Verbs that take several ids: each is tried, and each failure told. */
import type { VerbContext } from "./context.ts";
import { errorFields, errorLine, errorParagraph } from "./output/error-text.ts";

/** Exit status 0; the last failure is thrown, those before it are told here. */
export async function forEachId(
  { log, output }: VerbContext,
  ids: readonly string[],
  act: (id: string) => Promise<void>,
): Promise<number> {
  const failures: unknown[] = [];
  for (const id of ids) await act(id).catch((error: unknown) => failures.push(error));
  const last = failures.pop();
  for (const error of failures) {
    log.error(errorLine(error), errorFields(error));
    await output.err(errorParagraph(error));
  }
  if (last !== undefined) throw last;
  return 0;
}
