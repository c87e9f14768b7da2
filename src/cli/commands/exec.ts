/** `kumite exec`: runs a further process in a running container. */
import { readJournal } from "../../persist/journal.ts";
import { containerPaths, sandboxPaths } from "../../persist/paths.ts";
import type { ShimConnection } from "../../shim-client/connect.ts";
import type { ChildProcess, WindowSize } from "../../sys/os.ts";
import { raceAbort } from "../../util/abort.ts";
import { toHex } from "../../util/hex.ts";
import { baseName } from "../../util/path.ts";
import { signalNumbers } from "../../util/signals.ts";
import { callerTerminal } from "../caller-terminal.ts";
import type { VerbContext } from "../context.ts";
import { withWindowSize } from "../exec-process.ts";
import { type ExecRequest, readExecRequest } from "../exec-request.ts";
import { shellStatus } from "../exit-status.ts";
import { orLostMachine, tellLostMachine } from "../lost-machine.ts";
import { connectTo } from "../open-container.ts";
import type { Invocation } from "../parse.ts";
import { writePidFile } from "../pid-file.ts";
import { relayReady, startRelay, watchRelay } from "../start-relay.ts";
import { undoingScope } from "../undoing-scope.ts";

export async function exec(context: VerbContext, invocation: Invocation<"exec">): Promise<number> {
  const { os, interruption } = context;
  const request = await readExecRequest(context, invocation);
  const { id } = request.container;
  await using scope = undoingScope(context);
  using terminal = callerTerminal(os, request.stdio);
  const shim = await connectTo(context, request.container);
  scope.add(`shim of ${id}`, () => shim.close());
  const execId = newExecId(context);
  const relay = await startExecRelay(context, request, execId);
  // When the relay is gone, the shim drops the process.
  scope.add(`relay of ${execId}`, () => relay.kill(signalNumbers.SIGKILL));
  const engineRelay = watchRelay(os, relay, execId);
  try {
    await register(context, { request, execId, shim, relay, windowSize: terminal.size });
    await relayReady(relay, execId, interruption.signal);
  } catch (error) {
    throw await orLostMachine(context, id, shim, error);
  }
  terminal.makeRaw();
  if (!request.foreground) engineRelay.leave(scope);
  const passOn = (signal: number): void => relay.kill(signal);
  const starting = request.foreground ? interruption.passOnWhileStarting(passOn) : undefined;
  await shim.task.start({ id, execId }, { signal: interruption.signal });
  starting?.started();
  if (request.pidFile !== undefined) await writePidFile(os, request.pidFile, relay.pid);
  if (!request.foreground) {
    scope.handOver();
    return 0;
  }
  interruption.passOnTo(passOn);
  const end = await raceAbort(relay.exited, interruption.signal);
  const status = shellStatus(end);
  terminal.restore();
  await tellLostMachine(context, request.container.id, end, shim);
  return status;
}

/** Engines look for the process's network at its pid, so its relay joins the namespace of the container's relay. */
async function startExecRelay(context: VerbContext, request: ExecRequest, execId: string): Promise<ChildProcess> {
  const { container, stdio, foreground } = request;
  const { id, sandboxId, pid } = container;
  return startRelay(context.os, {
    socket: sandboxPaths(context.root, sandboxId).socket,
    id,
    execId,
    stdio,
    foreground,
    cgroups: await relayCgroups(context, id),
    networkNamespace: { path: `/proc/${pid}/ns/net` },
  });
}

/** The cgroups of the container's own relay. Whatever runs in them is ended with the container. */
async function relayCgroups({ os, root }: VerbContext, id: string): Promise<string[]> {
  const journal = await readJournal(os, containerPaths(root, id).journal);
  return (journal?.steps ?? []).flatMap((step) =>
    step.kind === "cgroup" && baseName(step.path) === "relay" ? [step.path] : [],
  );
}

function newExecId({ os }: VerbContext): string {
  return `exec-${toHex(os.random(8))}`;
}

interface Registration {
  readonly request: ExecRequest;
  readonly execId: string;
  readonly shim: ShimConnection;
  readonly relay: ChildProcess;
  readonly windowSize: WindowSize | undefined;
}

async function register({ interruption, log }: VerbContext, registration: Registration): Promise<void> {
  const { request, execId, shim, relay, windowSize } = registration;
  const process = withWindowSize(request.process, windowSize);
  const message = {
    id: request.container.id,
    execId,
    processJson: JSON.stringify(process),
    terminal: process.terminal ?? false,
    consoleSize: process.consoleSize,
    relay: { pid: relay.pid, startTicks: BigInt(relay.startTicks) },
    cgroup: request.cgroup ?? "",
  };
  await shim.oci.execProcess(message, { signal: interruption.signal });
  log.debug("the process is registered", { container: message.id, exec: execId, relay: relay.pid });
}
