/** `kumite run`: creates and starts a container; in the foreground it stays until the program has ended. */
import { raceAbort } from "../../util/abort.ts";
import { callerTerminal } from "../caller-terminal.ts";
import { readContainerRequest } from "../container-request.ts";
import type { VerbContext } from "../context.ts";
import { createContainer } from "../create-container.ts";
import { shellStatus } from "../exit-status.ts";
import { tellLostMachine } from "../lost-machine.ts";
import { tellNotices } from "../notices.ts";
import type { Invocation } from "../parse.ts";
import { writePidFile } from "../pid-file.ts";
import { startTimeline } from "../timeline/start-timeline.ts";
import { undoingScope } from "../undoing-scope.ts";

export async function run(context: VerbContext, { args, flags }: Invocation<"run">): Promise<number> {
  const { os, interruption, log } = context;
  const [id = ""] = args;
  const timeline = startTimeline(context, id, flags);
  const request = await readContainerRequest(context, id, flags, !flags.detach);
  timeline.mark("bundle");
  // In the foreground the scope removes the container at the end, just as it would after a failure.
  await using scope = undoingScope(context);
  using terminal = callerTerminal(os, request.stdio);
  const created = await createContainer(context, request, { windowSize: terminal.size, scope, timeline });
  const { relay, shim, notices } = created;
  await tellNotices(context, request, notices);
  await timeline.ask(shim);
  terminal.makeRaw();
  if (!request.foreground) created.engineRelay.leave(scope);
  const passOn = (signal: number): void => relay.kill(signal);
  const starting = request.foreground ? interruption.passOnWhileStarting(passOn) : undefined;
  await shim.task.start({ id }, { signal: interruption.signal });
  starting?.started();
  timeline.mark("running");
  if (request.pidFile !== undefined) await writePidFile(os, request.pidFile, relay.pid);
  if (!request.foreground) {
    scope.handOver();
    await timeline.tell();
    return 0;
  }
  log.debug("the program runs", { container: id, relay: relay.pid });
  interruption.passOnTo(passOn);
  const end = await raceAbort(relay.exited, interruption.signal);
  const status = shellStatus(end);
  log.debug("the program has ended", { container: id, status });
  terminal.restore();
  await tellLostMachine(context, id, end, shim);
  await timeline.tell();
  if (flags.keep) scope.handOver();
  return status;
}
