/** Reports requested settings that have no effect: in the log, and on standard error if a person is watching. */
import { stripControls } from "../util/text.ts";
import type { ContainerRequest } from "./container-request.ts";
import type { VerbContext } from "./context.ts";

export async function tellNotices(
  { os, log, output }: VerbContext,
  { id, foreground }: Pick<ContainerRequest, "id" | "foreground">,
  notices: readonly string[],
): Promise<void> {
  const watched = foreground && os.terminals.isTerminal(2);
  for (const notice of notices.map(stripControls)) {
    log.warn(notice, { container: id });
    if (watched) await output.err(`kumite: ${notice}\n`);
  }
}
