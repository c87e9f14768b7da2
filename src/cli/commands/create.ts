/** `kumite create`: creates a container that waits for `start`. */
import { readContainerRequest } from "../container-request.ts";
import type { VerbContext } from "../context.ts";
import { createContainer } from "../create-container.ts";
import { tellNotices } from "../notices.ts";
import type { Invocation } from "../parse.ts";
import { writePidFile } from "../pid-file.ts";
import { startTimeline } from "../timeline/start-timeline.ts";
import { undoingScope } from "../undoing-scope.ts";

export async function create(context: VerbContext, { args, flags }: Invocation<"create">): Promise<number> {
  const [id = ""] = args;
  const timeline = startTimeline(context, id, flags);
  const request = await readContainerRequest(context, id, flags, false);
  timeline.mark("bundle");
  await using scope = undoingScope(context);
  const created = await createContainer(context, request, { windowSize: undefined, scope, timeline });
  const { relay, shim, notices } = created;
  created.engineRelay.leave(scope);
  await tellNotices(context, request, notices);
  await timeline.ask(shim);
  if (request.pidFile !== undefined) await writePidFile(context.os, request.pidFile, relay.pid);
  scope.handOver();
  await timeline.tell();
  return 0;
}
