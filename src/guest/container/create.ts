/**
 * CreateContainer: everything up to a first process that only waits to be let go. What fails on the way, in the agent or
 * in the process, is undone, and the error says what it was.
 */
import { raceAbort } from "../../util/abort.ts";
import { messageOf } from "../../util/errors.ts";
import { Scope } from "../../util/scope.ts";
import { settingOptions } from "../cgroup/apply-setting.ts";
import { ContainerCgroup } from "../cgroup/container-cgroup.ts";
import { limitDevices } from "../cgroup/device-filter.ts";
import { initContainer } from "../child/container-init.ts";
import { hasOwnNamespace, namespaceFlag } from "../spec/namespaces.ts";
import type { ContainerPlan } from "../spec/plan.ts";
import type { StdioPorts } from "../stdio/process-io.ts";
import type { ChildEnds } from "../stdio/streams.ts";
import type { StorageRequest } from "../storage/drivers.ts";
import { bear, type NewProcess } from "./birth.ts";
import { Container } from "./container.ts";
import type { ContainerHost } from "./host.ts";
import { closeNamespaces, openNamespaces } from "./namespace-files.ts";
import { prepareProcess } from "./prepare.ts";
import { awaitReady } from "./set-up.ts";

export interface CreateRequest {
  readonly id: string;
  /** Of the first process. */
  readonly execId: string;
  readonly plan: ContainerPlan;
  readonly storages: readonly StorageRequest[];
  readonly ports: StdioPorts;
}

export async function createContainer(
  host: ContainerHost,
  request: CreateRequest,
  signal: AbortSignal,
): Promise<Container> {
  const { id, plan, execId, ports } = request;
  const log = host.log.with({ container: id });
  host.notices.notApplied(id, plan.notApplied);
  await using undo = new Scope({
    onFailure: ({ name, error }) => log.error("clean-up failed", { what: name, error: messageOf(error) }),
  });
  holdStorages(host, request.storages, undo);
  for (const mount of plan.mounts) if (mount.kind === "new") host.modules.need(mount.fstype);
  const cgroup = makeCgroup(host, request, undo);
  const { process, control } = await prepareProcess(
    host,
    { execId, plan: plan.process, ports },
    (standard) => startFirstProcess(plan, cgroup, standard, undo),
    awaitReady,
    signal,
  );
  undo.add("standard streams", () => process.io.close());
  const leadsPidNamespace = (plan.namespaces.create & namespaceFlag.pid) !== 0;
  const hasOwnTime = hasOwnNamespace(plan.namespaces, "time");
  const { personality } = plan;
  const { seccomp } = plan.process;
  return new Container({
    id,
    cgroup,
    control,
    first: process,
    leadsPidNamespace,
    hasOwnTime,
    personality,
    seccomp,
    undo: undo.handOver(),
  });
}

function holdStorages(host: ContainerHost, storages: readonly StorageRequest[], undo: Scope): void {
  const hold = host.storages.acquire(storages);
  undo.add("storages", () => {
    const [failure] = hold.release();
    if (failure !== undefined) throw failure;
  });
}

function makeCgroup(host: ContainerHost, { id, plan }: CreateRequest, undo: Scope): ContainerCgroup {
  const cgroup = ContainerCgroup.create(host.hierarchy, plan.cgroup, settingOptions(host, id));
  undo.add("cgroup", () => cgroup.remove());
  limitDevices(host, id, cgroup, plan.cgroup.devices);
  return cgroup;
}

function startFirstProcess(
  plan: ContainerPlan,
  cgroup: ContainerCgroup,
  standard: ChildEnds["standard"],
  undo: Scope,
): NewProcess {
  const { create, timeOffsets } = plan.namespaces;
  const namespaces = openNamespaces(plan.namespaces.join);
  try {
    const pidNamespace = namespaces.find(({ flag }) => flag === namespaceFlag.pid);
    const joined = namespaces.filter((namespace) => namespace !== pidNamespace);
    const born = bear({
      // The cgroup namespace is made later, in the cgroup; that of time has to be set up before the birth.
      newNamespaces: create & ~(namespaceFlag.cgroup | namespaceFlag.time),
      timeOffsets: (create & namespaceFlag.time) === 0 ? undefined : timeOffsets,
      pidNamespace: pidNamespace?.fd,
      cgroupFd: cgroup.fd,
      run: (control) => initContainer({ plan, control, standard, joined }),
    });
    undo.add("processes", (limit) => endProcesses(cgroup, born, limit));
    return born;
  } finally {
    closeNamespaces(namespaces);
  }
}

async function endProcesses(cgroup: ContainerCgroup, { process, control }: NewProcess, signal: AbortSignal) {
  control.close();
  cgroup.kill();
  await cgroup.whenEmpty(signal);
  await raceAbort(process.exited, signal);
}
