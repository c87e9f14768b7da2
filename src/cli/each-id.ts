/** For verbs that take several ids: tries each id and reports each failure. */
import type { VerbContext } from "./context.ts";

/** Returns exit status 0. If ids failed, the last failure is thrown and the ones before it are reported here. */
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
