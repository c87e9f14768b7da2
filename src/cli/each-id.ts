/** Verbs that take several ids: each is tried, and each failure told. */
import type { VerbContext } from "./context.ts";

/** Exit status 0; the last failure is thrown, those before it are told here. */
export async function forEachId(
  { tellFailure }: VerbContext,
  ids: readonly string[],
  act: (id: string) => Promise<void>,
): Promise<number> {
  const failures: unknown[] = [];
  for (const id of ids) await act(id).catch((error: unknown) => failures.push(error));
  const last = failures.pop();
  for (const error of failures) await tellFailure(error);
  if (last !== undefined) throw last;
  return 0;
}
