/**
 * Makes a template: boots a VM whose memory is held by a keeper, saves the VM, seals memory and state, and tries a
 * clone before anybody else can find the template. If a build fails or is killed, no process is left, and the next
 * build removes its files.
 */
import type { Config } from "../config/config.ts";
import type { StartContext } from "../hypervisor/driver.ts";
import type { Disk } from "../hypervisor/spec.ts";
import { copySparse } from "../storage/copy-file.ts";
import { layerDiskBytes } from "../storage/rootfs/image-cache.ts";
import { imageWithoutRoot } from "../storage/rootfs/image-root.ts";
import { formatUpperDisk } from "../storage/rootfs/upper-disk.ts";
import type { Os } from "../sys/os.ts";
import type { Logger } from "../util/log.ts";
import { saveVm } from "../vm/save-vm.ts";
import { startVm } from "../vm/start-vm.ts";
import { factoryCgroups } from "./factory-cgroups.ts";
import { descriptorPath, Keeper, memoryBytesOf } from "./keeper/keeper.ts";
import { type CloneSetting, cloneRequest, placeholders, templateRequest } from "./machine-shape.ts";
import {
  findTemplate,
  lockStore,
  type MachineShape,
  publishTemplate,
  removeTemplate,
  removeTemplates,
  type Template,
  type TemplatePlaces,
  templatePlaces,
  upperPath,
} from "./template-store.ts";
import { makeRoom, markUsed } from "./template-use.ts";

export interface BuildRequest {
  readonly config: Config;
  /** Directory of the template store. */
  readonly store: string;
  readonly key: string;
  readonly shape: MachineShape;
}

/**
 * Returns the template with this key, whoever built it: if several processes want it at once, one builds and the others
 * wait.
 * @throws KumiteError `hypervisor/unsupported`, `storage/failed`, or an error of a VM's start
 */
export async function buildTemplate(
  os: Os,
  request: BuildRequest,
  log: Logger,
  signal: AbortSignal,
): Promise<Template> {
  const { store, key } = request;
  await using _lock = await lockStore(os, store, signal);
  const present = await findTemplate(os, store, key);
  if (present !== undefined) return present;
  // The lock excludes other builders, so whatever is incomplete or has lost its keeper or description is a leftover.
  await removeTemplates(os, store, "broken");
  try {
    return await build(os, request, log, signal);
  } catch (error) {
    await removeTemplate(os, store, key).catch(() => {});
    throw error;
  }
}

async function build(os: Os, { config, store, key, shape }: BuildRequest, log: Logger, signal: AbortSignal) {
  const startedMs = os.clock.monotonic();
  const places = templatePlaces(store, key);
  for (const directory of [places.directory, places.empty, places.machine, places.trial]) {
    await os.files.makeDir(directory, 0o700);
  }
  const cgroups = await factoryCgroups(os);
  const { vcpus, memoryMiB } = config.qemu;
  const program = `${config.installRoot}/kumite`;
  const memoryBytes = memoryBytesOf(memoryMiB);
  const upperBytes = shape === "directory" ? 0 : layerDiskBytes;
  await using keeper = await Keeper.start(os, { program, key, memoryBytes, cgroups, store, upperBytes }, signal);
  const context = contextOf(log, signal);
  const upper = upperPath({ keeper: keeper.process, ...(keeper.upper !== undefined && { upper: keeper.upper }) });
  const disks = upper === undefined ? [] : await makeDisks(os, { lower: places.lower, upper }, config, signal);
  const setting = { id: `template-${key}`, directory: places.machine, cgroups, shared: places.empty, disks };
  const memory = descriptorPath(keeper.process, keeper.memory);
  const socket = `${places.directory}/state.sock`;
  const { state, session } = await saveVm(os, config, templateRequest(config, shape, setting, memory), socket, context);
  const stateDescriptor = await keeper.seal(state, signal);
  const kept = {
    keeper: keeper.process,
    memory: keeper.memory,
    state: stateDescriptor,
    session,
    ...(keeper.upper !== undefined && { upper: keeper.upper }),
  };
  const trial = {
    ...setting,
    id: `trial-${key}`,
    directory: places.trial,
    disks: upper === undefined ? [] : await trialDisks(os, places, upper, signal),
  };
  const agentVersion = await tryClone(os, { config, shape }, kept, trial, context);
  const template: Template = {
    key,
    shape,
    ...kept,
    agentVersion,
    takesBytes: (await allocatedBytes(os, memory)) + (await allocatedBytes(os, upper)) + state.length,
    memoryMiB,
    vcpus,
    stateBytes: state.length,
    createdMs: os.clock.now(),
    buildMs: Math.round(os.clock.monotonic() - startedMs),
  };
  for (const directory of [places.machine, places.trial]) await os.files.removeTree(directory);
  if (upper !== undefined) await os.files.removeFile(places.lower);
  await publishTemplate(os, store, template);
  await keeper.keep();
  await markUsed(os, store, key);
  await makeRoom(os, store, { limitBytes: memoryBytesOf(config.factory.templateLimitMiB), spare: key, log });
  log.info("template made", { template: key, ms: template.buildMs, memoryMiB, stateBytes: state.length });
  return template;
}

/** The disks of the VM that becomes the template. The upper one is held by the keeper and empty. */
async function makeDisks(
  os: Os,
  { lower, upper }: { readonly lower: string; readonly upper: string },
  { runtime }: Config,
  signal: AbortSignal,
): Promise<Disk[]> {
  await os.files.write(lower, imageWithoutRoot());
  // As large as the disks of every container's layers.
  await os.files.resize(lower, layerDiskBytes);
  await formatUpperDisk(os, { path: upper, sizeMiB: runtime.rootfsImages.upperMiB }, signal);
  return placeholders({ lower, upper });
}

/**
 * The disks as clones have them: the upper one is a copy, so that nothing that the trial writes gets into the template.
 */
async function trialDisks(
  os: Os,
  { trial, lower }: TemplatePlaces,
  upper: string,
  signal: AbortSignal,
): Promise<Disk[]> {
  const copy = `${trial}/upper`;
  await copySparse(os, upper, copy, signal);
  return placeholders({ lower, upper: copy });
}

/** The space that a sparse file takes. */
async function allocatedBytes(os: Os, path: string | undefined): Promise<number> {
  return path === undefined ? 0 : ((await os.files.status(path))?.allocatedBytes ?? 0);
}

/** A single trial is enough, because all clones begin with the same memory and state. Returns the agent's version. */
async function tryClone(
  os: Os,
  { config, shape }: Pick<BuildRequest, "config" | "shape">,
  kept: Pick<Template, "keeper" | "memory" | "state" | "session">,
  setting: CloneSetting,
  context: StartContext,
): Promise<string> {
  const vm = await startVm(os, config, cloneRequest(config, shape, setting, kept), context);
  await vm.stop();
  return vm.agent.version;
}

/** The VM's processes die with the builder, so no journal is needed. */
function contextOf(log: Logger, signal: AbortSignal): StartContext {
  return {
    willMake: async () => {},
    made: async () => {},
    signal,
    log: (level, message, fields) => log[level](message, { phase: "template", ...fields }),
  };
}
