/** `kumite exec`: a further process in a container that runs. */

import type { OciProcess } from "../../oci/spec.ts";
import { readJournal } from "../../persist/journal.ts";
import { sandboxPaths } from "../../persist/paths.ts";
import type { ObservedSandbox } from "../../sandbox/observe.ts";
import type { ShimConnection } from "../../shim-client/connect.ts";
import type { ChildProcess } from "../../sys/os.ts";
import { baseName, resolvePath } from "../../util/path.ts";
import { signalNumbers } from "../../util/signals.ts";
import { callerTerminal } from "../caller-terminal.ts";
import type { VerbContext } from "../context.ts";
import { readExecProcess, withWindowSize } from "../exec-process.ts";
import { shellStatus } from "../exit-status.ts";
import { connectTo, lookAt, wrongState } from "../open-container.ts";
import type { Invocation } from "../parse.ts";
import { checkPidFile, writePidFile } from "../pid-file.ts";
import { relayReady, startRelay } from "../start-relay.ts";
import { chooseStdio, refusePreservedFds } from "../stdio-choice.ts";
import { undoingScope } from "../undoing-scope.ts";

export async function exec(context: VerbContext, invocation: Invocation<"exec">): Promise<number> {
  const { os, interruption } = context;
  const { args, flags } = invocation;
  const [id = ""] = args;
  const absolute = (path: string | undefined) => path && resolvePath(os.self.cwd(), path);
  const pidFile = absolute(flags["pid-file"]);
  refusePreservedFds(flags["preserve-fds"]);
  const container = await lookAt(context, id);
  refuseWrongState(container);
  const process = await readExecProcess(os, invocation, container.bundle);
  const foreground = !flags.detach;
  const consoleSocket = absolute(flags["console-socket"]);
  const stdio = chooseStdio({ terminal: process.terminal ?? false, consoleSocket, foreground });
  if (pidFile !== undefined) await checkPidFile(os, pidFile);

  await using scope = undoingScope(context);
  using terminal = callerTerminal(os, stdio);
  const shim = await connectTo(context, id);
  scope.add(`shim of ${id}`, () => shim.close());
  const execId = newExecId(context);
  const relay = await startRelay(os, {
    socket: sandboxPaths(context.root, id).socket,
    id,
    execId,
    stdio,
    foreground,
    cgroups: await relayCgroups(context, id),
    networkNamespace: { path: `/proc/${container.pid}/ns/net` },
  });
  // The shim drops a process whose relay is gone.
  scope.add(`relay of ${execId}`, () => relay.kill(signalNumbers.SIGKILL));
  await register(context, { id, execId, shim, relay, process: withWindowSize(process, terminal.size) });
  await relayReady(relay, execId, interruption.signal);
  terminal.makeRaw();
  await shim.task.start({ id, execId }, { signal: interruption.signal });
  if (pidFile !== undefined) await writePidFile(os, pidFile, relay.pid);
  if (!foreground) {
    scope.handOver();
    return 0;
  }
  interruption.passOnTo((signal) => relay.kill(signal));
  return shellStatus(await relay.exited);
}

function refuseWrongState({ id, status }: ObservedSandbox): void {
  switch (status) {
    case "created":
    case "running":
      return;
    case "stopped":
      throw wrongState(id, status, "cannot exec in a stopped container");
    case "paused":
      throw wrongState(id, status, "cannot exec in a paused container");
    case "creating":
      throw wrongState(id, status, "cannot exec in a container that is being created");
  }
}

/** Where the container's own relay was born: what runs there is ended with the container. */
async function relayCgroups({ os, root }: VerbContext, id: string): Promise<string[]> {
  const journal = await readJournal(os, sandboxPaths(root, id).journal);
  return (journal?.steps ?? []).flatMap((step) =>
    step.kind === "cgroup" && baseName(step.path) === "relay" ? [step.path] : [],
  );
}

function newExecId({ os }: VerbContext): string {
  return `exec-${Array.from(os.random(8), (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

interface Registration {
  readonly id: string;
  readonly execId: string;
  readonly shim: ShimConnection;
  readonly relay: ChildProcess;
  readonly process: OciProcess;
}

async function register(context: VerbContext, { id, execId, shim, relay, process }: Registration): Promise<void> {
  const { consoleSize } = process;
  const request = {
    id,
    execId,
    processJson: JSON.stringify(process),
    terminal: process.terminal ?? false,
    consoleSize,
    relay: { pid: relay.pid, startTicks: BigInt(relay.startTicks) },
  };
  await shim.oci.execProcess(request, { signal: context.interruption.signal });
  context.log.debug("process is registered", { container: id, exec: execId, relay: relay.pid });
}
