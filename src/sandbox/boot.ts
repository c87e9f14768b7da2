/**
 * Boots a sandbox: takes over the journal, makes the shared tree, starts the VM and sets up the sandbox in its agent.
 * Knows nothing of containers. After a failure, `stop.ts` undoes what was made.
 */

import { machineCgroupsIn } from "../cgroups/sandbox-cgroups.ts";
import type { BuildRequest } from "../factory/build-template.ts";
import { startBuilder } from "../factory/builder/start-builder.ts";
import { chooseTemplate, type TemplateChoice } from "../factory/choose-template.ts";
import { type CloneOutcome, type CloneRequest, cloneVm } from "../factory/clone.ts";
import { type CloneSetting, cloneShare } from "../factory/machine-shape.ts";
import type { Template } from "../factory/template-store.ts";
import type { StartContext } from "../hypervisor/driver.ts";
import type { SharedDirectory } from "../hypervisor/spec.ts";
import type { Journal } from "../persist/journal.ts";
import type { disksOf } from "../storage/container-storage.ts";
import { copySparse } from "../storage/copy-file.ts";
import { guestSharedDirectory } from "../storage/guest-paths.ts";
import type { GuestStorage } from "../storage/guest-storage.ts";
import type { MadeDisks } from "../storage/rootfs/make-rootfs.ts";
import { shareSandboxMounts } from "../storage/share-container.ts";
import { makeSharedTree, type SharedTree, treeAt } from "../storage/shared-tree.ts";
import type { ProcessId, SpawnRequest } from "../sys/os.ts";
import { linked } from "../util/abort.ts";
import { KumiteError, messageOf } from "../util/errors.ts";
import { together } from "../util/together.ts";
import { startVm } from "../vm/start-vm.ts";
import type { Vm } from "../vm/vm.ts";
import type { Cloning } from "./cloning.ts";
import { livingContainers } from "./fit-machine.ts";
import { type HostResources, takeOwnJournal } from "./host-resources.ts";
import { bootRequestOf, type MachineNeeds as ContainerNeeds } from "./machine-needs.ts";
import { bootSizeOf } from "./machine-size.ts";
import type { Brought, MakeDisks } from "./make-container.ts";
import { copiedMemory, ownBacking, ownMemory } from "./own-memory.ts";
import type { Sandbox, SandboxHost } from "./sandbox.ts";
import { sandboxRequestOf } from "./sandbox-request.ts";
import { startContextOf } from "./start-context.ts";
import { isWarmUsed, warmParts } from "./use-warm.ts";
import type { WarmMachine } from "./warm.ts";

export interface BootRequest extends Pick<ContainerNeeds, "sharing" | "rare"> {
  readonly hostname: string;
  /** Runs while the VM starts, as soon as the shared tree exists. */
  readonly share: (tree: SharedTree) => Promise<void>;
  /** Makes the disks that the VM starts with. Whatever it makes on the host is in the journal first. */
  readonly disks: MakeDisks;
  readonly diskKinds: ReturnType<typeof disksOf>;
  /** Whether the VM can be a clone of a template. */
  readonly cloning: Cloning;
  /** Whether the VM must be savable while it runs. */
  readonly saving: boolean;
  /** Whether devices may be plugged in later: containers that join a pod bring disks. */
  readonly takesDevices: boolean;
}

/** Everything that is decided or made before the VM starts. */
interface MachineNeeds
  extends Pick<BootRequest, "cloning" | "sharing" | "rare" | "saving" | "takesDevices" | "hostname"> {
  readonly warm: WarmMachine | undefined;
  /** The directory of the host that the guest sees. */
  readonly view: string;
  readonly made: MadeDisks;
  /** `undefined` if templates are not enabled. */
  readonly template: TemplateChoice | undefined;
}

interface StartedMachine {
  readonly vm: Vm;
  /** How the guest sees the shared tree, if it does. */
  readonly directory: SharedDirectory | undefined;
  /** A template to make now that the sandbox no longer has to wait for it. */
  readonly build?: BuildRequest;
}

/** Resolves when the sandbox can take a container. Its phase is then `running`. */
export async function bootSandbox(sandbox: Sandbox, request: BootRequest, signal: AbortSignal): Promise<Brought> {
  const { host } = sandbox;
  if (sandbox.state.phase !== "empty") {
    throw new KumiteError(
      "container/wrong-state",
      `sandbox ${host.id} has already been started: it is ${sandbox.state.phase}`,
    );
  }
  sandbox.state = { phase: "starting" };
  sandbox.resources = await takeOwnJournal(host.os, host.paths);
  const { journal } = sandbox.resources;
  const { tree, ...parts } = await makeParts(sandbox, request, journal, signal);
  const needs = { ...request, ...parts, view: tree.view };
  const { made } = parts;
  host.timeline.mark("disks");
  const files = async (): Promise<void> => {
    await shareSandboxMounts(host.os, tree, host.config.runtime.sandboxBindMounts);
    await request.share(tree);
  };
  const share = () => together(files(), made.filled);
  const { vm, directory, build } = await startAndShare(sandbox, needs, share, signal);
  // Ends the processes started ahead that this VM did not take over.
  await host.ahead?.discard();
  sandbox.state = { phase: "running", vm, tree, sharing: directory !== undefined };
  const brought = await introduce(sandbox, vm, directory, request.hostname, signal);
  host.timeline.mark("sandbox");
  if (build !== undefined) makeTemplate(sandbox, build);
  return brought;
}

export interface Parts extends Pick<MachineNeeds, "made" | "warm" | "template"> {
  readonly tree: SharedTree;
}

/** Makes the disks and the shared tree, and chooses a template, all at the same time. */
async function makeParts(
  sandbox: Sandbox,
  request: BootRequest,
  journal: Journal,
  signal: AbortSignal,
): Promise<Parts> {
  const { host } = sandbox;
  if (await isWarmUsed(sandbox, request)) return await warmParts(sandbox, request, journal, signal);
  const choosing = choose(host, request.cloning, signal);
  // Rejections are seen by the disks, which wait for the choice.
  choosing.catch(() => {});
  const { shared } = host.paths;
  const newTree = async () => (host.ahead === undefined ? makeSharedTree(host.os, journal, shared) : treeAt(shared));
  const disks = disksFor(host, request, journal, choosing);
  try {
    if (host.config.factory.cacheNumber > 0) host.log.info("the VM is not from the cache", { phase: "vm" });
    const [made, tree] = await together(disks, newTree());
    return { made, warm: undefined, tree, template: await choosing };
  } catch (error) {
    // The caller undoes the disks next, so no work on them may be left running.
    await disks.then(({ filled }) => filled).catch(() => {});
    throw error;
  }
}

/**
 * Uses the disks made by the command if they belong to the template that this process has chosen, and makes new ones
 * otherwise.
 */
async function disksFor(
  { ahead }: SandboxHost,
  request: BootRequest,
  journal: Journal,
  choosing: Promise<TemplateChoice | undefined>,
): Promise<MadeDisks> {
  const { layers } = ahead ?? {};
  if (layers !== undefined) {
    const choice = await choosing;
    const isSame = choice?.kind === "template" && isKeptBy(choice.template, layers.keeper);
    if (isSame) return request.disks(journal, { readyUpper: layers.upper, readyLower: layers.lower });
  }
  const emptyUpper = choosing.then((choice) => (choice?.kind === "template" ? choice.emptyUpper : undefined));
  emptyUpper.catch(() => {});
  return request.disks(journal, { emptyUpper, readyLower: layers?.lower });
}

function isKeptBy({ keeper }: Template, { pid, startTicks }: ProcessId): boolean {
  return keeper.pid === pid && keeper.startTicks === startTicks;
}

/** Starts the VM and shares the files at the same time. */
async function startAndShare(
  sandbox: Sandbox,
  needs: MachineNeeds,
  share: () => Promise<unknown>,
  signal: AbortSignal,
): Promise<StartedMachine> {
  const both = linked(signal);
  const sharing = share().catch((error: unknown) => {
    // Without the files there is no use for the VM, whose boot takes seconds.
    both.abort(error);
    throw error;
  });
  const [machine, shared] = await Promise.allSettled([startMachine(sandbox, needs, both.signal), sharing]);
  both.unlink();
  if (shared.status === "rejected") {
    if (machine.status === "fulfilled") await machine.value.vm.stop();
    throw shared.reason;
  }
  if (machine.status === "rejected") throw machine.reason;
  return machine.value;
}

async function startMachine(sandbox: Sandbox, needs: MachineNeeds, signal: AbortSignal): Promise<StartedMachine> {
  const { os, config, id, paths, timeline } = sandbox.host;
  const { journal } = sandbox.resources as HostResources;
  if (needs.warm !== undefined) {
    timeline.mark("agent");
    return needs.warm;
  }
  await journal.make({ kind: "directory", path: paths.vm }, () => os.files.makeDirs(paths.vm, 0o700));
  const context = startContextOf(sandbox, journal, signal);
  const { view, made, sharing, saving, takesDevices } = needs;
  const { disks } = made;
  // The VM's processes are born into the cgroups that the command made, in which this process runs, too.
  const setting = { id, directory: paths.vm, disks, cgroups: machineCgroupsIn(journal.content.steps) };
  const containers = livingContainers(sandbox);
  const { memoryMiB } = bootSizeOf(config, containers);
  const copied = (template: string) => copiedMemory(sandbox, journal, { disks, memoryMiB, from: template }, signal);
  const cloned = await tryClone(sandbox, needs, setting, { context, ...(saving && { ownMemory: copied }) });
  if (cloned.kind === "cloned") {
    timeline.mark("agent");
    sandbox.hasTemplateDisks = true;
    return { vm: cloned.vm, directory: sharing ? cloneShare(view) : undefined };
  }
  // A kernel that boots reads its disks early. A clone's kernel did that in the template.
  await made.filled;
  // The keeper may be left from a clone that failed.
  await sandbox.savable?.keeper[Symbol.asyncDispose]();
  const keeper = saving ? await ownMemory(sandbox, journal, { disks, memoryMiB }, signal) : undefined;
  const memory = keeper === undefined ? undefined : { memoryBacking: ownBacking(keeper) };
  const request = bootRequestOf(config, needs, { ...setting, view, containers, takesDevices, memory });
  const vm = await startVm(os, config, request, context);
  timeline.mark("agent");
  const [directory] = request.sharedDirectories;
  return cloned.build === undefined ? { vm, directory } : { vm, directory, build: cloned.build };
}

async function choose(
  { os, config }: SandboxHost,
  cloning: Cloning,
  signal: AbortSignal,
): Promise<TemplateChoice | undefined> {
  switch (cloning.kind) {
    case "off":
      return undefined;
    case "impossible":
      return { kind: "none", why: cloning.why };
    case "possible":
      return chooseTemplate(os, { config, shape: cloning.shape, scope: cloning.scope }, signal);
  }
}

/** Logs one line that says where the VM comes from, if there was a choice. */
async function tryClone(
  { host, sharedMemory }: Sandbox,
  { template, made, view, sharing, hostname }: MachineNeeds,
  setting: Omit<CloneSetting, "shared">,
  { context, ...memory }: { readonly context: StartContext } & Pick<CloneRequest, "ownMemory">,
): Promise<CloneOutcome> {
  const { os, config, log } = host;
  if (template === undefined) return { kind: "none", why: "" };
  // The file system that the template's kernel has open must be the one on the disk.
  const isCopied = template.kind === "none" || template.emptyUpper === undefined || made.isCopy;
  const facts = { id: host.id, hostname, storages: storagesOf(sharedMemory) };
  const own = withNewLayer(host, template, context);
  const first = sharing ? {} : { firstRequest: sandboxRequestOf(config, facts) };
  const outcome: CloneOutcome = isCopied
    ? await cloneVm(os, template, { config, setting: { ...setting, ...first, shared: view }, ...memory }, own)
    : { kind: "none", why: "the empty layer of the template could not be copied" };
  if (outcome.kind === "cloned") log.info(`the VM is a clone of template ${outcome.template}`, { phase: "vm" });
  else log.info(`the VM boots: ${outcome.why}`, { phase: "vm" });
  return outcome;
}

/**
 * The VM that the command has started may have written to the layer, so any other one gets it as it was: the kernel in
 * its memory knows what was on it.
 */
function withNewLayer({ os, ahead, log }: SandboxHost, choice: TemplateChoice, context: StartContext): StartContext {
  const { layers } = ahead ?? {};
  if (ahead === undefined || layers === undefined || choice.kind === "none") return context;
  const { template, emptyUpper } = choice;
  if (emptyUpper === undefined || !isKeptBy(template, layers.keeper)) return context;
  const willSpawn = async (request: SpawnRequest): Promise<void> => {
    if (ahead.has(request)) return;
    log.info("no VM was started ahead with the same settings: the layer is copied again", { phase: "vm" });
    await ahead.discard();
    await copySparse(os, emptyUpper, layers.upper, context.signal);
  };
  return { ...context, willSpawn };
}

/** Nobody waits for the builder, and it outlives this process. */
function makeTemplate({ host: { os, log } }: Sandbox, build: BuildRequest): void {
  startBuilder(os, build).catch((error: unknown) => {
    log.warn(`no template is made: ${messageOf(error)}`, { phase: "template" });
  });
}

/**
 * Makes the guest's sandbox. A guest that has just started knows neither the time nor anything random; one that shares
 * the host's kernel has both.
 */
async function introduce(
  { host, sharedMemory }: Sandbox,
  vm: Vm,
  directory: SharedDirectory | undefined,
  hostname: string,
  signal: AbortSignal,
): Promise<Brought> {
  const storages = storagesOf(sharedMemory);
  if (directory !== undefined) {
    const { driverOptions = [], options, ...share } = vm.machine.guestShare(directory);
    storages.unshift({
      ...share,
      mountPoint: guestSharedDirectory,
      options: [...options],
      driverOptions: [...driverOptions],
    });
  }
  const request = sandboxRequestOf(host.config, { id: host.id, hostname, storages });
  // The first call: it may have been sent ahead.
  const asked = vm.agent.createSandbox(request, { signal });
  const told = vm.capabilities.ownClock ? [vm.syncTime(signal), vm.reseedRng(signal)] : [];
  const informed = Promise.all(told).then(() => {});
  // The caller awaits this promise unless the sandbox could not be made.
  informed.catch(() => {});
  await asked;
  return { informed };
}

function storagesOf(sharedMemory: Sandbox["sharedMemory"]): GuestStorage[] {
  return sharedMemory === undefined ? [] : [sharedMemory];
}
