/**
 * A VM for the cache, started before anybody wants it: it has an empty shared tree, and its agent has answered and has
 * no sandbox. It has a journal of its own until a sandbox takes it over.
 */
import type { Config } from "../config/config.ts";
import type { PoolPlaces } from "../factory/cache/places.ts";
import { chooseTemplate } from "../factory/choose-template.ts";
import { whyNoTemplate } from "../factory/clonable.ts";
import { type CloneOutcome, cloneVm } from "../factory/clone.ts";
import { type CloneSetting, cloneShare } from "../factory/machine-shape.ts";
import { usualShape } from "../factory/usual-shape.ts";
import type { StartContext } from "../hypervisor/driver.ts";
import type { Disk, SharedDirectory } from "../hypervisor/spec.ts";
import { Journal } from "../persist/journal.ts";
import { undoAll } from "../persist/undo.ts";
import { copySparse } from "../storage/copy-file.ts";
import { diskOf, layerBus } from "../storage/disk-names.ts";
import { layerDiskBytes } from "../storage/rootfs/image-cache.ts";
import { newUpperFile } from "../storage/rootfs/make-rootfs.ts";
import { makeSharedTree, type SharedTree } from "../storage/shared-tree.ts";
import type { Os } from "../sys/os.ts";
import { messageOf } from "../util/errors.ts";
import type { Logger } from "../util/log.ts";
import { startVm } from "../vm/start-vm.ts";
import type { Vm } from "../vm/vm.ts";
import { toWire, type WireVm } from "../vm/wire.ts";
import { rehearse } from "./rehearse.ts";
import { sharedTree, workshopOf } from "./storage-choices.ts";

export interface WarmMachine {
  /** The configuration that the VM was made from. */
  readonly config: Config;
  readonly vm: Vm;
  readonly tree: SharedTree;
  /** The VM is a clone of a template, so its memory is private. */
  readonly cloned: boolean;
  readonly layers: WarmLayers | undefined;
  /** How the guest sees the shared tree, if it does. */
  readonly directory: SharedDirectory | undefined;
  /** The steps that made the VM, for the sandbox that takes it over. */
  readonly journal: Journal;
  /** The form in which the cache passes the VM on. */
  onWire(): Promise<WireVm>;
  /** Redirects its log and its guest's console. */
  hear(log: Logger, onConsoleLine: (line: string) => void): void;
  /** Ends the VM and undoes all of its steps. Never rejects. */
  discard(): Promise<void>;
}

/** The disks for a root file system that is not known yet. */
export interface WarmLayers {
  /** A sparse file as large as any image. */
  readonly lower: Disk;
  /** Empty, as the template's kernel knows it. */
  readonly upper: Disk;
}

export interface WarmRequest {
  readonly config: Config;
  readonly places: PoolPlaces;
  readonly cgroups: readonly string[];
}

/** @throws KumiteError of the step that failed; nothing is left then */
export async function warmMachine(
  os: Os,
  request: WarmRequest,
  log: Logger,
  signal: AbortSignal,
): Promise<WarmMachine> {
  const { places } = request;
  const { pid, startTicks } = os.self;
  await os.files.makeDirs(places.directory, 0o700);
  const journal = new Journal(os, places.journal, {
    id: places.name,
    token: places.name,
    owner: { pid, startTicks },
    steps: [],
  });
  await journal.record({ kind: "directory", path: places.directory });
  try {
    return await make(os, request, journal, log, signal);
  } catch (error) {
    await undoAll(os, journal.content.steps);
    throw error;
  }
}

async function make(
  os: Os,
  { config, places, cgroups }: WarmRequest,
  journal: Journal,
  firstLog: Logger,
  signal: AbortSignal,
): Promise<WarmMachine> {
  let log = firstLog;
  let onConsoleLine: (line: string) => void = () => {};
  const tree = await makeSharedTree(os, journal, places.shared);
  await journal.make({ kind: "directory", path: places.vm }, () => os.files.makeDir(places.vm, 0o700));
  const context: StartContext = {
    willMake: (step) => journal.record(step),
    made: (key, process) => journal.made(key, process),
    signal,
    onConsoleLine: (line) => onConsoleLine(line),
    log: (level, message, fields) => log[level](message, { phase: "vm", ...fields }),
  };
  const setting = { id: `cached-${places.name}`, directory: places.vm, cgroups, shared: tree.view };
  const started = await start(os, { config, setting, journal, context, log });
  if (started.directory !== undefined) {
    const { vm, directory } = started;
    await rehearse(os, { vm, tree, directory, program: `${config.installRoot}/kumite` }, signal).catch(stopping(vm));
  }
  return {
    ...started,
    config,
    tree,
    journal,
    onWire: () => toWire(started.vm),
    hear: (next, onLine) => {
      log = next;
      onConsoleLine = onLine;
    },
    discard: async () => {
      await started.vm.stop().catch((error: unknown) => log.warn(`a VM did not stop: ${messageOf(error)}`));
      for (const { error } of await undoAll(os, journal.content.steps)) log.warn(`left behind: ${messageOf(error)}`);
    },
  };
}

/** Stops the VM before the journal is undone, since its processes must end in order. */
function stopping(vm: Vm) {
  return async (error: unknown): Promise<never> => {
    await vm.stop();
    throw error;
  };
}

type StartedMachine = Pick<WarmMachine, "vm" | "directory" | "cloned" | "layers">;

interface WarmStart {
  readonly config: Config;
  readonly setting: Omit<CloneSetting, "disks">;
  readonly journal: Journal;
  readonly context: StartContext;
  readonly log: Logger;
}

/** Uses a clone if containers' writes may stay in the guest; otherwise the VM boots. */
async function start(os: Os, request: WarmStart): Promise<StartedMachine> {
  const { config, setting, context, log } = request;
  if (config.factory.template !== false && config.runtime.rootfsWrites === "guest") {
    const { outcome, layers } = await clone(os, request);
    if (outcome.kind === "cloned") {
      log.info(`the VM is a clone of template ${outcome.template}`, { phase: "vm" });
      return { vm: outcome.vm, directory: cloneShare(setting.shared), cloned: true, layers };
    }
    log.info(`the VM boots: ${outcome.why}`, { phase: "vm" });
  }
  const { shared, ...rest } = setting;
  const directory = sharedTree(config, shared);
  const sharedDirectories = directory === undefined ? [] : [directory];
  const vm = await startVm(os, config, { ...rest, disks: [], sharedDirectories }, context);
  return { vm, directory, cloned: false, layers: undefined };
}

interface WarmClone {
  readonly outcome: CloneOutcome;
  readonly layers: WarmLayers | undefined;
}

async function clone(os: Os, { config, setting, journal, context }: WarmStart): Promise<WarmClone> {
  const none = (why: string): WarmClone => ({ outcome: { kind: "none", why }, layers: undefined });
  if (config.factory.templateScope !== "host") {
    return none(`its owner is not known yet, and template_scope is "${config.factory.templateScope}"`);
  }
  const why = whyNoTemplate(os, config);
  if (why !== undefined) return none(why);
  // This VM is made in advance, so it can wait for the template.
  const whole = { ...config, factory: { ...config.factory, template: true as const } };
  const shape = await usualShape(os);
  const choice = await chooseTemplate(os, { config: whole, shape, scope: "" }, context.signal);
  if (choice.kind === "none") return { outcome: choice, layers: undefined };
  try {
    const layers = await makeLayers(os, config, { setting, journal }, choice.emptyUpper, context);
    const disks = layers === undefined ? [] : [layers.lower, layers.upper];
    return { outcome: await cloneVm(os, choice, { config: whole, setting: { ...setting, disks } }, context), layers };
  } catch (error) {
    context.signal.throwIfAborted();
    return none(`its disks could not be made: ${messageOf(error)}`);
  }
}

/** @throws KumiteError `storage/failed`, also for a template that has just been removed */
async function makeLayers(
  os: Os,
  config: Config,
  { setting, journal }: Pick<WarmStart, "setting" | "journal">,
  emptyUpper: string | undefined,
  { signal }: StartContext,
): Promise<WarmLayers | undefined> {
  if (emptyUpper === undefined) return undefined;
  const hole = `${setting.directory}/lower`;
  await os.files.write(hole, "");
  await os.files.resize(hole, layerDiskBytes);
  const upper = await newUpperFile(os, workshopOf(config, journal));
  await copySparse(os, emptyUpper, upper, signal);
  // The disks are named after this instead of a container's id.
  const namedAfter = setting.id;
  const lowerImage = { path: hole, readOnly: true, cache: { direct: false, noFlush: false } };
  const upperImage = { path: upper, readOnly: false, cache: { direct: false, noFlush: true } };
  return {
    lower: diskOf(namedAfter, "lower", lowerImage, layerBus),
    upper: diskOf(namedAfter, "upper", upperImage, layerBus),
  };
}
