/** ExecProcess: one more process in a container, running when the call returns. */

import { openDirectory } from "../../sys/linux/directory.ts";
import { closeQuietly } from "../../sys/linux/file.ts";
import { isSystemError } from "../../util/errors.ts";
import { cgroupOf, cgroupRoot } from "../cgroup/hierarchy.ts";
import { initExec } from "../child/exec-init.ts";
import type { ProcessPlan } from "../spec/plan.ts";
import type { ChildEnds } from "../stdio/streams.ts";
import { bear, type NewProcess } from "./birth.ts";
import type { Container } from "./container.ts";
import type { ContainerHost } from "./host.ts";
import { type ProcessRequest, prepareProcess } from "./prepare.ts";
import { awaitExecuted } from "./set-up.ts";

/** @throws KumiteError `container/wrong-state`, `process/exists`, and what the process reports of its set-up */
export async function execProcess(
  host: ContainerHost,
  container: Container,
  request: ProcessRequest,
  signal: AbortSignal,
): Promise<void> {
  // It would be born frozen, and never say that it is ready.
  if (container.isPaused) throw container.wrongState("running");
  const release = container.reserve(request.execId);
  try {
    const birth = (standard: ChildEnds["standard"]) =>
      startProcess(container, { ...request.plan, seccomp: container.seccomp }, standard);
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

function startProcess(container: Container, plan: ProcessPlan, standard: ChildEnds["standard"]): NewProcess {
  const { hasOwnTime, personality, user } = container;
  const { pid, pidfd } = container.first.born;
  if (pidfd === undefined) throw container.wrongState("running");
  const run = (control: number): never =>
    initExec({ plan, personality, hasOwnTime, user, control, standard, firstProcess: pidfd });
  const request = { newNamespaces: 0, pidNamespace: pidfd, run };
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
