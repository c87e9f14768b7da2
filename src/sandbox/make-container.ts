/**
 * Makes a container, either together with its sandbox or in one that runs. The caller undoes what was made after a
 * failure.
 */
import { type Bundle, bundleOf } from "../oci/bundle.ts";
import type { Journal } from "../persist/journal.ts";
import { readRecord } from "../persist/record.ts";
import { makeDisks, planStorage, type StoragePlan } from "../storage/container-storage.ts";
import { onTemplateDisks } from "../storage/disk-names.ts";
import type { MadeDisks, RootfsWorkshop } from "../storage/rootfs/make-rootfs.ts";
import { shareContainer } from "../storage/share-container.ts";
import { sharedMemoryOf, withSharedMemory } from "../storage/shared-memory.ts";
import type { SharedTree } from "../storage/shared-tree.ts";
import type { ProcessId } from "../sys/os.ts";
import { throwIfAborted } from "../util/abort.ts";
import { together } from "../util/together.ts";
import { applyAnnotations } from "./apply-annotations.ts";
import { catchUp } from "./catch-up.ts";
import type { Container, ContainerPlace } from "./container.ts";
import { growMachine, limitMachine } from "./fit-machine.ts";
import { type GuestSpec, guestSpecOf } from "./guest-spec.ts";
import { connectStreams, takePorts } from "./guest-streams.ts";
import { runCreationHooks } from "./hooks.ts";
import { pinVcpus } from "./pin-vcpus.ts";
import { type ConsoleSize, SandboxProcess } from "./process.ts";
import { recordContainer } from "./record.ts";
import type { Sandbox } from "./sandbox.ts";
import { surroundingsIn, surroundingsOfFirst } from "./shared-namespaces.ts";
import { storageChoices, workshopOf } from "./storage-choices.ts";
import { watchProcess } from "./watch.ts";

export interface CreateRequest {
  readonly id: string;
  /** Absolute path. */
  readonly bundle: string;
  /** The parsed config.json. */
  readonly document: unknown;
  /** The file that the document was read from, for errors; default: config.json of the bundle. */
  readonly configFile?: string | undefined;
  readonly consoleSize?: ConsoleSize | undefined;
  /** The container's processes keep the session keyring of the guest's agent. */
  readonly noNewKeyring?: boolean | undefined;
  readonly relay: ProcessId;
}

export interface Created {
  readonly container: Container;
  /** Requested features that are not applied, one sentence each. */
  readonly notices: readonly string[];
}

/** Puts the container's files into the shared tree. With a journal, they can be removed before the tree is. */
export type Share = (tree: SharedTree, journal?: Journal) => Promise<void>;

/** Makes the disks that the VM needs for the container. What it makes on the host is in the journal first. */
export type MakeDisks = (
  journal: Journal,
  layers?: Pick<RootfsWorkshop, "emptyUpper" | "readyUpper" | "readyLower">,
) => Promise<MadeDisks>;

/** Resolves when the VM is running and has a sandbox and the container's files and disks. */
export type Bring = (container: Container, share: Share, disks: MakeDisks, plan: StoragePlan) => Promise<Brought>;

export interface Brought {
  /**
   * Resolves when the guest has got the time and random bytes. Our agent takes them before any request that is sent
   * later, so only a start has to wait for this promise.
   */
  readonly informed: Promise<void>;
}

/** @throws KumiteError of the step that failed. The container is in `sandbox.containers` if it got that far. */
export async function makeContainer(
  sandbox: Sandbox,
  request: CreateRequest,
  place: ContainerPlace,
  bring: Bring,
  signal: AbortSignal,
): Promise<Created> {
  const { id } = request;
  const { os, log } = sandbox.host;
  const { paths, timeline } = place;
  const bundle = await bundleOf(os, request.bundle, request.document, request.configFile);
  // Annotations of further containers come too late to change the VM.
  if (sandbox.state.phase === "empty") await applyAnnotations(sandbox, bundle.spec.annotations);
  const around = sandbox.isOwn(request) ? surroundingsOfFirst(bundle) : surroundingsIn(sandbox);
  const { config } = sandbox.host;
  const plan = await planStorage(os, bundle, id, storageChoices(sandbox), signal);
  if (sandbox.isOwn(request)) {
    sandbox.sharedMemory = sharedMemoryOf(plan.guest.mounts);
    sandbox.guestRoot = plan.guest.rootfs;
  }
  const mounts = sandbox.sharedMemory === undefined ? plan.guest.mounts : withSharedMemory(plan.guest.mounts);
  const guest = guestSpecOf(bundle, plan.guest.rootfs, mounts, config, around);
  const notices = [...guest.notes, ...plan.notes];
  for (const notice of notices) log.warn(notice, { container: id });
  const shm = sandbox.sharedMemory?.options.find((option) => option.startsWith("size="));
  log.debug("the container is planned", { container: id, bundle: bundle.path, rootfs: bundle.rootfs, shm });

  const container = addContainer(sandbox, request, bundle, place, await claimedMs(sandbox, place));
  timeline.mark("request");
  // `exec` starts from this, even if the bundle has changed since.
  await os.files.write(paths.process, JSON.stringify(bundle.spec.process));
  await runCreationHooks(sandbox, container, signal);
  const share: Share = async (tree, journal) => {
    const shared = { containerId: id, rootfs: plan.rootfs, volumes: plan.mounts.volumes };
    await shareContainer(os, tree, shared, journal);
    timeline.mark("share");
  };
  const disks: MakeDisks = (journal, layers) =>
    makeDisks(os, { ...workshopOf(config, journal), ...layers }, id, plan, signal);
  const { informed } = await bring(container, share, disks, plan);
  const sizeBefore = container.process.consoleSize;
  const create = () => createInGuest(sandbox, container, withKeyring(guest, request), plan, signal);
  await together(informed, growAndCreate(sandbox, container, create, signal));
  container.process.moveTo({ phase: "created" });
  watchProcess(sandbox, container.process);
  timeline.mark("container");
  await recordContainer(sandbox, container);
  await catchUp(sandbox, container.process, sizeBefore);
  // Up to this point the caller may disappear, and nothing is left.
  throwIfAborted(signal);
  log.info("container created", { container: id, ms: timeline.marks.container ?? 0 });
  return { container, notices };
}

/**
 * Resizes the VM while the guest creates the container, since plugging vCPUs into an emulated VM takes time. A
 * container with a cpuset waits for the vCPUs, because the guest drops those that it does not have yet.
 */
async function growAndCreate(
  sandbox: Sandbox,
  { resources }: Container,
  create: () => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const growing = growMachine(sandbox, signal);
  // Nobody awaits this promise if the create fails.
  growing.catch(() => {});
  if ((resources.cpu?.cpus ?? "") !== "") await growing;
  await create();
  await growing;
  await limitMachine(sandbox, signal);
  await pinVcpus(sandbox);
}

/** A container's age counts from its claim. */
async function claimedMs({ host }: Sandbox, { paths }: ContainerPlace): Promise<number> {
  return (await readRecord(host.os, paths.state))?.createdMs ?? host.os.clock.now();
}

function addContainer(
  sandbox: Sandbox,
  request: CreateRequest,
  bundle: Bundle,
  place: ContainerPlace,
  createdMs: number,
): Container {
  const { id, relay, consoleSize } = request;
  const process = new SandboxProcess({
    key: { containerId: id, execId: undefined },
    terminal: bundle.spec.process.terminal ?? false,
    consoleSize: consoleSize ?? sizeIn(bundle),
    relay,
  });
  const { devices: _rules, ...resources } = bundle.spec.linux.resources ?? {};
  const container: Container = {
    ...place,
    id,
    bundle,
    createdMs,
    process,
    resources,
    hooks: undefined,
    saveRecord: undefined,
    stopping: undefined,
    plugged: [],
    released: false,
  };
  sandbox.containers.set(id, container);
  sandbox.processes.add(process);
  return container;
}

function sizeIn({ spec }: Bundle): ConsoleSize | undefined {
  const size = spec.process.consoleSize;
  return size === undefined ? undefined : { rows: size.height, columns: size.width };
}

/** Not part of the OCI specification: a private field between this host and our agent. */
function withKeyring(guest: GuestSpec, { noNewKeyring = false }: CreateRequest): GuestSpec {
  return noNewKeyring ? { ...guest, spec: { ...guest.spec, ...{ kumiteNoNewKeyring: true } } } : guest;
}

async function createInGuest(
  sandbox: Sandbox,
  { id, process }: Container,
  { spec, sharesPids }: GuestSpec,
  { guest: { storages, devices } }: StoragePlan,
  signal: AbortSignal,
): Promise<void> {
  const { vm } = sandbox.running();
  const isOnTemplate = sandbox.hasTemplateDisks && sandbox.isOwn({ id });
  const ports = takePorts(sandbox, process.terminal);
  process.ports = ports;
  const size = process.consoleSize;
  const consoleSize = size === undefined ? {} : { consoleSize: { height: size.rows, width: size.columns } };
  const document = { ...spec, process: { ...spec.process, ...consoleSize } };
  await vm.agent.createContainer(
    {
      containerId: id,
      execId: id,
      sandboxPidns: sharesPids,
      ...vm.agent.specFields(document),
      storages: isOnTemplate ? onTemplateDisks(storages, id) : [...storages],
      devices: [...devices],
      ...ports.fields,
    },
    { signal, timeoutMs: sandbox.host.config.runtime.createContainerTimeoutMs },
  );
  process.stdio.offerGuest(await connectStreams(vm, ports, signal));
}
