/**
 * CreateContainer: everything up to a first process that only waits to be let go. What fails on the way, in the agent or
 * in the process, is undone, and the error says what it was.
 */
import { getrandom } from "../../sys/linux/random.ts";
import { raceAbort } from "../../util/abort.ts";
import { messageOf } from "../../util/errors.ts";
import { toHex } from "../../util/hex.ts";
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
import type { GuestHooks } from "./guest-hooks.ts";
import type { ContainerHost } from "./host.ts";
import { HeldMounts } from "./mount-namespace.ts";
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
  /** pidfd of a process whose pid namespace it is born into; `undefined`: as its plan says. */
  readonly sharedPid?: number | undefined;
  /** Makes those that the guest runs for it; `undefined`: none. */
  readonly guestHooks?: (() => GuestHooks) | undefined;
}

/** That of cgroups is made in the cgroup, the one of users when all is there; that of time is set up before the birth. */
const madeElsewhere = namespaceFlag.cgroup | namespaceFlag.time | namespaceFlag.user;

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
  const mounts = new HeldMounts();
  const guestHooks = request.guestHooks?.();
  if (guestHooks !== undefined) undo.add("specification for hooks", () => guestHooks.close());
  const keyring = plan.ownKeyring ? keyringName(id) : undefined;
  const { process, control } = await prepareProcess(
    host,
    {
      execId,
      plan: plan.process,
      ports,
      user: plan.namespaces.user,
      onMounted: guestHooks && (({ pid }, limit) => guestHooks.prestart(pid, limit)),
    },
    (standard) =>
      startFirstProcess(
        {
          host,
          plan,
          keyring,
          cgroup,
          mounts,
          standard,
          sharedPid: request.sharedPid,
          tellsOfMounts: guestHooks !== undefined,
        },
        undo,
      ),
    awaitReady,
    signal,
  );
  undo.add("standard streams", () => process.io.close());
  const leadsPidNamespace = (plan.namespaces.create & namespaceFlag.pid) !== 0 && request.sharedPid === undefined;
  const hasOwnTime = hasOwnNamespace(plan.namespaces, "time");
  const { personality } = plan;
  const { seccomp } = plan.process;
  return new Container({
    id,
    cgroup,
    mounts,
    control,
    first: process,
    leadsPidNamespace,
    hasOwnTime,
    personality,
    keyring,
    seccomp,
    user: plan.namespaces.user,
    guestHooks,
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

/** As under runc, and with an end that another container of the sandbox, which may have the same user, cannot foresee. */
function keyringName(id: string): string {
  const suffix = toHex(getrandom(8));
  return `_ses.${id}.${suffix}`;
}

interface FirstProcess {
  readonly host: ContainerHost;
  readonly plan: ContainerPlan;
  readonly keyring: string | undefined;
  readonly cgroup: ContainerCgroup;
  readonly mounts: HeldMounts;
  readonly standard: ChildEnds["standard"];
  readonly sharedPid: number | undefined;
  readonly tellsOfMounts: boolean;
}

function startFirstProcess(
  { host, plan, keyring, cgroup, mounts, standard, sharedPid, tellsOfMounts }: FirstProcess,
  undo: Scope,
): NewProcess {
  const { create, timeOffsets } = plan.namespaces;
  const namespaces = openNamespaces(plan.namespaces.join);
  undo.add("mount namespace", () => mounts.release(host.storages.points));
  try {
    const pidNamespace = namespaces.find(({ flag }) => flag === namespaceFlag.pid);
    const joined = namespaces.filter((namespace) => namespace !== pidNamespace);
    const born = bear({
      newNamespaces: create & ~(madeElsewhere | (sharedPid === undefined ? 0 : namespaceFlag.pid)),
      timeOffsets: (create & namespaceFlag.time) === 0 ? undefined : timeOffsets,
      pidNamespace: sharedPid ?? pidNamespace?.fd,
      cgroupFd: cgroup.fd,
      run: (control) => initContainer({ plan, keyring, tellsOfMounts, control, standard, joined }),
    });
    undo.add("processes", (limit) => endProcesses(cgroup, born, limit));
    if (host.ownsKernel) mounts.hold(born.process.pid);
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
