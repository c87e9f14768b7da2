/** `kumite create`: a container that waits for its start. */
import { readContainerRequest } from "../container-request.ts";
import type { VerbContext } from "../context.ts";
import { createContainer } from "../create-container.ts";
import { tellNotices } from "../notices.ts";
import type { Invocation } from "../parse.ts";
import { writePidFile } from "../pid-file.ts";
import { undoingScope } from "../undoing-scope.ts";

export async function create(context: VerbContext, { args, flags }: Invocation<"create">): Promise<number> {
  const [id = ""] = args;
  const request = await readContainerRequest(context, id, flags, false);
  await using scope = undoingScope(context);
  const { relay, notices } = await createContainer(context, request, { windowSize: undefined, scope });
  await tellNotices(context, request, notices);
  if (request.pidFile !== undefined) await writePidFile(context.os, request.pidFile, relay.pid);
  scope.handOver();
  return 0;
}
