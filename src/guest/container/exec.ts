/** ExecProcess: one more process in a container, running when the call returns. */
import { openDirectory } from "../../sys/linux/directory.ts";
import { closeQuietly } from "../../sys/linux/file.ts";
import { isSystemError, KumiteError, messageOf } from "../../util/errors.ts";
import { normalizePath } from "../../util/path.ts";
import { cgroupOf, cgroupRoot } from "../cgroup/hierarchy.ts";
import { initExec } from "../child/exec-init.ts";
import type { ProcessPlan } from "../spec/plan.ts";
import type { ChildEnds } from "../stdio/streams.ts";
import { type BirthRequest, bear, type NewProcess } from "./birth.ts";
import type { Container } from "./container.ts";
import type { ContainerHost } from "./host.ts";
import { type ProcessRequest, prepareProcess } from "./prepare.ts";
import { awaitExecuted } from "./set-up.ts";

export interface ExecRequest extends ProcessRequest {
  /** Below the container's own. */
  readonly cgroup?: string | undefined;
}

/** @throws KumiteError `container/wrong-state`, `cgroup/failed`, `process/exists`, and what the process reports of its set-up */
export async function execProcess(
  host: ContainerHost,
  container: Container,
  request: ExecRequest,
  signal: AbortSignal,
): Promise<void> {
  // It would be born frozen, and never say that it is ready.
  if (container.isPaused) throw container.wrongState("running");
  const release = container.reserve(request.execId);
  try {
    const birth = (standard: ChildEnds["standard"]) =>
      startProcess(container, { ...request.plan, seccomp: container.seccomp }, standard, request.cgroup);
    const { process, control } = await prepareProcess(
      host,
      { ...request, user: container.user },
      birth,
      awaitExecuted,
      signal,
    );
    control.close();
    container.processes.add(process);
  } finally {
    release();
  }
}

function startProcess(
  container: Container,
  plan: ProcessPlan,
  standard: ChildEnds["standard"],
  cgroup: string | undefined,
): NewProcess {
  const { hasOwnTime, personality, keyring, user } = container;
  const { pid, pidfd } = container.first.born;
  if (pidfd === undefined) throw container.wrongState("running");
  const run = (control: number): never =>
    initExec({ plan, personality, keyring, hasOwnTime, user, control, standard, firstProcess: pidfd });
  const request = { newNamespaces: 0, pidNamespace: pidfd, run };
  if (cgroup !== undefined) return startBelow(container, cgroup, request);
  try {
    return bear({ ...request, cgroupFd: container.cgroup.fd });
  } catch (error) {
    // A container that has made cgroups of its own below its own one: no process can be in that any more.
    if (!isSystemError(error, "EBUSY")) throw error;
    const cgroupFd = openDirectory(`${cgroupRoot}${cgroupOf(pid)}`);
    try {
      return bear({ ...request, cgroupFd });
    } finally {
      closeQuietly(cgroupFd);
    }
  }
}

/** No link is met on the way: there are none in this file system. */
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
      `container ${id} takes no process in its cgroup ${below}: ${messageOf(error)}`,
      {
        hint: "the container itself has to make it, and none below it",
        data: { container: id, cgroup: below },
        cause: error,
      },
    );
  } finally {
    if (cgroupFd !== undefined) closeQuietly(cgroupFd);
  }
}
