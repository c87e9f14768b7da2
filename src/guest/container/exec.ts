/** ExecProcess: starts another process in a container. It runs when the call returns. */
import { openDirectory } from "../../sys/linux/directory.ts";
import { closeQuietly } from "../../sys/linux/file.ts";
import { isSystemError, KumiteError, messageOf } from "../../util/errors.ts";
import { normalizePath } from "../../util/path.ts";
import { cgroupOf, cgroupRoot } from "../cgroup/hierarchy.ts";
import { enteredNamespaces } from "../child/entered-namespaces.ts";
import type { ProcessPlan } from "../spec/plan.ts";
import type { ChildEnds } from "../stdio/streams.ts";
import { type BirthRequest, bear, type NewProcess } from "./birth.ts";
import type { Container } from "./container.ts";
import type { ContainerHost } from "./host.ts";
import { type PreparedProcess, type ProcessRequest, prepareProcess } from "./prepare.ts";
import { awaitExecuted, UnusualSetUp } from "./set-up.ts";

export interface ExecRequest extends ProcessRequest {
  /** Steps that set up the process; `undefined`: the agent's own code does. */
  readonly steps: Uint8Array | undefined;
  /** The whole process specification, for the agent's own code. */
  readonly plan: () => Promise<ProcessPlan>;
  /** Path below the container's own cgroup. */
  readonly cgroup?: string | undefined;
}

/**
 * @throws KumiteError `container/wrong-state`, `cgroup/failed`, `process/exists`, and errors reported by the process
 */
export async function execProcess(
  host: ContainerHost,
  container: Container,
  request: ExecRequest,
  signal: AbortSignal,
): Promise<void> {
  // The process would be frozen from the start and never report that it is ready.
  if (container.isPaused) throw container.wrongState("running");
  const release = container.reserve(request.execId);
  try {
    const { process, control } = await prepareByEitherWay(host, container, request, signal);
    control.close();
    container.processes.add(process);
  } finally {
    release();
  }
}

async function prepareByEitherWay(
  host: ContainerHost,
  container: Container,
  request: ExecRequest,
  signal: AbortSignal,
): Promise<PreparedProcess> {
  const prepare = (way: Way): Promise<PreparedProcess> => {
    const birth = (standard: ChildEnds["standard"]) => startProcess(container, way, standard, request.cgroup);
    return prepareProcess(host, { ...request, user: container.user }, birth, awaitExecuted, signal);
  };
  // The steps cannot enter a user namespace.
  if (request.steps === undefined || container.user !== undefined) return prepare(await byCode(container, request));
  try {
    return await prepare(bySteps(container, request.steps));
  } catch (error) {
    if (!(error instanceof UnusualSetUp)) throw error;
    host.log.debug("set up by steps: not this one", { container: container.id, why: error.message });
  }
  return prepare(await byCode(container, request));
}

type Way = (standard: ChildEnds["standard"], firstProcess: number) => BirthRequest["by"];

function bySteps({ hasOwnTime, personality, keyring, seccomp: filter }: Container, steps: Uint8Array): Way {
  const entered = enteredNamespaces(hasOwnTime);
  return (standard, pidfd) => ({ steps, standard, container: { pidfd, entered }, keyring, personality, filter });
}

/** As for a container's first process. */
async function byCode(container: Container, request: ExecRequest): Promise<Way> {
  const { hasOwnTime, personality, keyring, user, seccomp } = container;
  const { initExec } = await import("../child/exec-init.ts");
  const plan = { ...(await request.plan()), seccomp };
  return (standard, firstProcess) => ({
    run: (control) => initExec({ plan, personality, keyring, hasOwnTime, user, control, standard, firstProcess }),
  });
}

function startProcess(
  container: Container,
  way: Way,
  standard: ChildEnds["standard"],
  cgroup: string | undefined,
): NewProcess {
  const { pid, pidfd } = container.first.born;
  if (pidfd === undefined) throw container.wrongState("running");
  const request = { newNamespaces: 0, pidNamespace: pidfd, by: way(standard, pidfd) };
  if (cgroup !== undefined) return startBelow(container, cgroup, request);
  try {
    return bear({ ...request, cgroupFd: container.cgroup.fd });
  } catch (error) {
    // The container has enabled controllers in its cgroup, which can have no processes then. Use the first process's
    // cgroup.
    if (!isSystemError(error, "EBUSY")) throw error;
    const cgroupFd = openDirectory(`${cgroupRoot}${cgroupOf(pid)}`);
    try {
      return bear({ ...request, cgroupFd });
    } finally {
      closeQuietly(cgroupFd);
    }
  }
}

/** No symlink can be met on the way: a cgroup file system has none. */
function startBelow({ id, cgroup }: Container, path: string, request: Omit<BirthRequest, "cgroupFd">): NewProcess {
  const below = normalizePath(`/${path}`);
  let cgroupFd: number | undefined;
  try {
    cgroupFd = openDirectory(`${cgroup.directory}${below}`);
    return bear({ ...request, cgroupFd });
  } catch (error) {
    if (!isSystemError(error)) throw error;
    throw new KumiteError(
      "cgroup/failed",
      `container ${id}: no process can be started in its cgroup ${below}: ${messageOf(error)}`,
      {
        hint: "the container itself must create that cgroup, and none below it",
        data: { container: id, cgroup: below },
        cause: error,
      },
    );
  } finally {
    if (cgroupFd !== undefined) closeQuietly(cgroupFd);
  }
}
