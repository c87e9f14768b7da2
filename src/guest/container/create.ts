/**
 * CreateContainer: sets up everything until the first process waits for its start. If a step fails, in the agent or in
 * the process, everything is undone and the error names the step.
 */

import type { SeccompFilter } from "../../seccomp/filter.ts";
import { getrandom } from "../../sys/linux/random.ts";
import { raceAbort } from "../../util/abort.ts";
import { messageOf } from "../../util/errors.ts";
import { toHex } from "../../util/hex.ts";
import { Scope } from "../../util/scope.ts";
import { settingOptions } from "../cgroup/apply-setting.ts";
import { ContainerCgroup } from "../cgroup/container-cgroup.ts";
import { type DeviceLimits, limitDevices } from "../cgroup/device-filter.ts";
import { readCgroupPath } from "../spec/cgroup-path.ts";
import { namespaceFlag } from "../spec/namespace-flags.ts";
import type { ContainerPlan } from "../spec/plan.ts";
import type { StdioPorts } from "../stdio/process-io.ts";
import type { ChildEnds } from "../stdio/streams.ts";
import type { ContainerOutline } from "../steps/outline.ts";
import type { StorageRequest } from "../storage/drivers.ts";
import { type BirthRequest, bear, type NewProcess } from "./birth.ts";
import { Container } from "./container.ts";
import type { GuestHooks } from "./guest-hooks.ts";
import type { ContainerHost } from "./host.ts";
import { HeldMounts } from "./mount-namespace.ts";
import { closeNamespaces, openNamespaces } from "./namespace-files.ts";
import { type PreparedProcess, prepareProcess } from "./prepare.ts";
import { ReadyProcess, type ReadyTask, readyNamespaces } from "./ready-process.ts";
import { awaitReady, UnusualSetUp } from "./set-up.ts";

export interface CreateRequest {
  readonly id: string;
  /** Id of the first process. */
  readonly execId: string;
  readonly outline: ContainerOutline;
  readonly devices: DeviceLimits;
  readonly seccomp: SeccompFilter | undefined;
  /** Steps that set up the first process; `undefined`: the agent's own code does. */
  readonly steps: Uint8Array | undefined;
  /** The whole specification, for the agent's own code. Called only if the steps cannot be used. */
  readonly plan: () => Promise<ContainerPlan>;
  readonly storages: readonly StorageRequest[];
  readonly ports: StdioPorts;
  /** pidfd of a process whose pid namespace the container shares; `undefined`: as the specification says. */
  readonly sharedPid?: number | undefined;
  /** Creates the guest's own hooks for this container; `undefined`: there are none. */
  readonly guestHooks?: (() => GuestHooks) | undefined;
}

/**
 * Namespaces not created by the fork: the process creates the cgroup namespace when it is in its cgroup, and the user
 * namespace at the end; the time namespace is set up before the fork.
 */
const madeElsewhere = namespaceFlag.cgroup | namespaceFlag.time | namespaceFlag.user;

export async function createContainer(
  host: ContainerHost,
  request: CreateRequest,
  signal: AbortSignal,
): Promise<Container> {
  const { id, outline, seccomp } = request;
  const log = host.log.with({ container: id });
  host.notices.notApplied(id, outline.process.notApplied);
  await using undo = new Scope({
    onFailure: ({ name, error }) => log.error("clean-up failed", { what: name, error: messageOf(error) }),
  });
  holdStorages(host, request.storages, undo);
  for (const name of outline.fileSystems) host.modules.need(name);
  const cgroup = await makeCgroup(host, request, undo);
  const mounts = new HeldMounts();
  const guestHooks = request.guestHooks?.();
  if (guestHooks !== undefined) undo.add("specification for hooks", () => guestHooks.close());
  const keyring = outline.ownKeyring ? keyringName(id) : undefined;
  const first = { host, request, keyring, cgroup, mounts, guestHooks };
  const { process, control } = await prepareFirst(first, undo, signal);
  undo.add("standard streams", () => process.io.close());
  const { create, join } = outline.namespaces;
  return new Container({
    id,
    cgroup,
    mounts,
    control,
    first: process,
    leadsPidNamespace: (create & namespaceFlag.pid) !== 0 && request.sharedPid === undefined,
    hasOwnTime: (create & namespaceFlag.time) !== 0 || join.some(({ flag }) => flag === namespaceFlag.time),
    personality: outline.personality,
    keyring,
    seccomp,
    user: outline.user,
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

async function makeCgroup(
  host: ContainerHost,
  { id, outline, devices }: CreateRequest,
  undo: Scope,
): Promise<ContainerCgroup> {
  const { cgroupsPath, cgroupSettings: settings, cgroupOwner: owner } = outline;
  const path = readCgroupPath(cgroupsPath, id);
  let cgroup: ContainerCgroup;
  try {
    cgroup = ContainerCgroup.create(host.hierarchy, { path, settings, owner }, settingOptions(host, id));
  } catch (error) {
    // If it is the cgroup that was made in advance, it could not be removed with a process in it.
    await host.readyProcess.take()?.end();
    host.hierarchy.removeReady();
    throw error;
  }
  undo.add("cgroup", () => cgroup.remove());
  limitDevices(host, id, cgroup, devices);
  return cgroup;
}

/**
 * As in runc, but with a random suffix: another container of the sandbox, which may have the same user, cannot guess
 * it.
 */
function keyringName(id: string): string {
  const suffix = toHex(getrandom(8));
  return `_ses.${id}.${suffix}`;
}

interface FirstProcess {
  readonly host: ContainerHost;
  readonly request: CreateRequest;
  readonly keyring: string | undefined;
  readonly cgroup: ContainerCgroup;
  readonly mounts: HeldMounts;
  readonly guestHooks: GuestHooks | undefined;
}

/**
 * Uses the steps, if there are any; if they do not suffice, sets up another process with the agent's own code. A
 * process that waits in the cgroup does the steps if it can, and is ended otherwise.
 */
async function prepareFirst(first: FirstProcess, undo: Scope, signal: AbortSignal): Promise<PreparedProcess> {
  const { host, request, cgroup, mounts } = first;
  const { steps } = request;
  const ready = cgroup.wasReady ? host.readyProcess.take() : undefined;
  const waits = steps !== undefined && ready !== undefined && isReadyFor(first, steps);
  if (!waits) await ready?.end();
  if (steps === undefined) return prepareOnce(first, await byCode(first), undo, signal);
  try {
    if (waits) return await prepareReady(first, ready, steps, undo, signal);
    return await prepareOnce(first, bySteps(first, steps), undo, signal);
  } catch (error) {
    if (!(error instanceof UnusualSetUp)) throw error;
    host.log.debug("set up by steps: not this one", { container: request.id, why: error.message });
  }
  // No process is left in this mount namespace; the next process gets another one.
  await mounts.release(host.storages.points);
  return prepareOnce(first, await byCode(first), undo, signal);
}

function taskOf({ request, keyring }: FirstProcess, steps: Uint8Array): ReadyTask {
  const { outline, seccomp: filter } = request;
  return { steps, keyring, personality: outline.personality, filter };
}

/** It is what another process would be born as, and its resource limits need not be raised first. */
function isReadyFor(first: FirstProcess, steps: Uint8Array): boolean {
  const { host, request } = first;
  const { namespaces, process } = request.outline;
  return (
    (namespaces.create & ~madeElsewhere) === readyNamespaces &&
    namespaces.join.length === 0 &&
    request.sharedPid === undefined &&
    !process.terminal &&
    process.descriptors === undefined &&
    // Its mount namespace would have to be held as soon as it has one.
    !host.storages.areServed &&
    ReadyProcess.takes(taskOf(first, steps))
  );
}

function prepareReady(
  first: FirstProcess,
  ready: ReadyProcess,
  steps: Uint8Array,
  undo: Scope,
  signal: AbortSignal,
): Promise<PreparedProcess> {
  const { host, request, cgroup } = first;
  const { execId, ports, outline } = request;
  return prepareProcess(
    host,
    { execId, outline: outline.process, ports, pipes: ready.pipesFor(outline.process.pipeOwner) },
    () => {
      const born = ready.start(taskOf(first, steps));
      undo.add("processes", (limit) => endProcesses(cgroup, born, limit));
      return born;
    },
    awaitReady,
    signal,
  );
}

type Way = (standard: ChildEnds["standard"], joined: ReturnType<typeof openNamespaces>) => BirthRequest["by"];

function bySteps(first: FirstProcess, steps: Uint8Array): Way {
  return (standard) => ({ ...taskOf(first, steps), standard });
}

/** This code and that which reads specifications are loaded with the first container that needs them. */
async function byCode({ request, keyring, guestHooks }: FirstProcess): Promise<Way> {
  const { initContainer } = await import("../child/container-init.ts");
  const plan = await request.plan();
  const tellsOfMounts = guestHooks !== undefined;
  return (standard, joined) => ({
    run: (control) => initContainer({ plan, keyring, tellsOfMounts, control, standard, joined }),
  });
}

function prepareOnce(first: FirstProcess, way: Way, undo: Scope, signal: AbortSignal): Promise<PreparedProcess> {
  const { host, request, guestHooks } = first;
  const { execId, ports, outline } = request;
  return prepareProcess(
    host,
    {
      execId,
      outline: outline.process,
      ports,
      user: outline.user,
      onMounted: guestHooks && (({ pid }, limit) => guestHooks.prestart(pid, limit)),
    },
    (standard) => startFirstProcess(first, (joined) => way(standard, joined), undo),
    awaitReady,
    signal,
  );
}

function startFirstProcess(
  { host, request: { outline, sharedPid }, cgroup, mounts }: FirstProcess,
  way: (joined: ReturnType<typeof openNamespaces>) => BirthRequest["by"],
  undo: Scope,
): NewProcess {
  const { create, join, timeOffsets } = outline.namespaces;
  const namespaces = openNamespaces(join);
  undo.add("mount namespace", () => mounts.release(host.storages.points));
  try {
    const pidNamespace = namespaces.find(({ flag }) => flag === namespaceFlag.pid);
    const joined = namespaces.filter((namespace) => namespace !== pidNamespace);
    const born = bear({
      newNamespaces: create & ~(madeElsewhere | (sharedPid === undefined ? 0 : namespaceFlag.pid)),
      timeOffsets: (create & namespaceFlag.time) === 0 ? undefined : timeOffsets,
      pidNamespace: sharedPid ?? pidNamespace?.fd,
      cgroupFd: cgroup.fd,
      by: way(joined),
    });
    undo.add("processes", (limit) => endProcesses(cgroup, born, limit));
    if (host.ownsKernel && host.storages.areServed) mounts.hold(born.process.pid);
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
