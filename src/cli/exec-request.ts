/** The request for an `exec`, checked before anything is made. */
import type { OciProcess } from "../oci/spec.ts";
import { containerPaths } from "../persist/paths.ts";
import type { ObservedContainer } from "../sandbox/observe.ts";
import type { RelayStdio } from "../shim-client/relay-arguments.ts";
import { KumiteError } from "../util/errors.ts";
import { resolvePath } from "../util/path.ts";
import type { VerbContext } from "./context.ts";
import { readExecProcess } from "./exec-process.ts";
import { lookAt, wrongState } from "./open-container.ts";
import type { Invocation } from "./parse.ts";
import { checkPidFile } from "./pid-file.ts";
import { chooseStdio, hasTerminal, refusePreservedFds } from "./stdio-choice.ts";

export interface ExecRequest {
  readonly container: ObservedContainer;
  readonly process: OciProcess;
  /** Path below the container's own cgroup; `undefined` for the container's cgroup itself. */
  readonly cgroup: string | undefined;
  readonly stdio: RelayStdio;
  /** Absolute path. */
  readonly pidFile: string | undefined;
  /** The verb stays until the process has ended. */
  readonly foreground: boolean;
}

/** @throws KumiteError `container/not-found`, `container/wrong-state`, `usage/invalid`, `oci/spec-invalid` */
export async function readExecRequest(context: VerbContext, invocation: Invocation<"exec">): Promise<ExecRequest> {
  const { os } = context;
  const { args, flags } = invocation;
  const [id = ""] = args;
  const absolute = (path: string | undefined) => path && resolvePath(os.self.cwd(), path);
  refusePreservedFds(flags["preserve-fds"]);
  const container = await lookAt(context, id);
  refuseWrongState(container);
  const process = await readExecProcess(os, invocation, containerPaths(context.root, id).process);
  const foreground = !flags.detach;
  const consoleSocket = absolute(flags["console-socket"]);
  const stdio = chooseStdio({
    terminal: process.terminal ?? false,
    consoleSocket,
    foreground,
    callerHasTerminal: () => hasTerminal(os),
  });
  const pidFile = absolute(flags["pid-file"]);
  if (pidFile !== undefined) await checkPidFile(os, pidFile);
  const cgroup = flags.cgroup === undefined ? undefined : checkCgroup(flags.cgroup);
  return { container, process, cgroup, stdio, pidFile, foreground };
}

/** As with runc, except that runc on cgroup version 1 also accepts a list of controllers before the path. */
function checkCgroup(path: string): string {
  if (path !== "" && !path.includes(":")) return path;
  throw new KumiteError("usage/invalid", `exec: --cgroup: "${path}" is not a cgroup path`, {
    hint: "give a path such as /workers, without controller names: the guest has cgroup version 2",
  });
}

function refuseWrongState({ id, status }: ObservedContainer): void {
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
