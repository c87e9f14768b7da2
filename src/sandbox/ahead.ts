/**
 * Makes the parts of a sandbox that the command can make while the shim starts: the shared tree, and the processes of
 * the VM, which boots or is a clone. What needs nothing of the sandbox is planned before, while its id is being
 * claimed. The processes become children of the shim. The shim plans everything again; it takes over the processes if
 * it would start the same ones, and ends them otherwise. The decisions made here therefore affect only how long a start
 * takes. Runs on the small engine.
 */
import { expectRoomForProcesses, shimProcesses } from "../cgroups/process-room.ts";
import { machineCgroupsIn } from "../cgroups/sandbox-cgroups.ts";
import { concernConfig } from "../config/annotations.ts";
import type { Config } from "../config/config.ts";
import { loadConfig } from "../config/load.ts";
import type { DriverProgram } from "../hypervisor/driver.ts";
import type { Bundle } from "../oci/bundle.ts";
import type { Journal } from "../persist/journal.ts";
import type { SandboxPaths } from "../persist/paths.ts";
import type { Step } from "../persist/step.ts";
import { planStorage } from "../storage/container-storage.ts";
import { sharedMemoryOf } from "../storage/shared-memory.ts";
import { makeSharedTree, treeAt, treeSteps } from "../storage/shared-tree.ts";
import type { Os, SpawnRequest } from "../sys/os.ts";
import { throwIfAborted } from "../util/abort.ts";
import { together } from "../util/together.ts";
import { vmPrograms } from "../vm/vm-programs.ts";
import { makeAheadClone, planAheadClone } from "./ahead-clone.ts";
import { cloningOf } from "./cloning.ts";
import { bootRequestOf, machineNeedsOf } from "./machine-needs.ts";
import { hostnameOf, sandboxRequestOf } from "./sandbox-request.ts";
import { storageChoices } from "./storage-choices.ts";

export interface AheadRequest {
  readonly root: string;
  readonly id: string;
  readonly bundle: Bundle;
  readonly installRoot: string;
  /** Absolute path; `undefined` for the system's configuration. */
  readonly config: string | undefined;
  readonly overrides: readonly string[];
}

/** The processes that are started next to the shim. If this exists, the shared tree does too. */
export interface Ahead {
  readonly programs: readonly SpawnRequest[];
}

/** A sandbox whose id is claimed. */
export interface ClaimedPlace {
  readonly paths: SandboxPaths;
  /** Names the cgroups for the sandbox's processes. */
  readonly journal: Journal;
}

/** Makes what the VM needs besides the shared tree, while that tree is being made. Resolves with the VM's programs. */
export type MakeMachine = (tree: Promise<void>, signal: AbortSignal) => Promise<readonly DriverProgram[]>;

/** Completes the plan. `undefined` if the VM cannot be known this early. Makes nothing. */
export type PlaceMachine = (place: ClaimedPlace, signal: AbortSignal) => Promise<MakeMachine | undefined>;

/**
 * The part of the plan that needs no claim. `undefined` if there is nothing to gain. Makes nothing.
 *
 * @param signal also ends the search for the image, which may continue after this function has returned
 * @throws KumiteError if the shim would fail too, or if it may find another way
 */
export async function planAhead(os: Os, request: AheadRequest, signal: AbortSignal): Promise<PlaceMachine | undefined> {
  const { root, id, bundle } = request;
  const { annotations, hooks = {}, linux } = bundle.spec;
  // These hooks must run before the VM starts.
  if ([...(hooks.prestart ?? []), ...(hooks.createRuntime ?? [])].length > 0) return undefined;
  if (!(await seesEnds(os))) return undefined;
  const config = await configOf(os, request);
  if (config.hypervisor === "process") return undefined;
  const first = {
    host: { os, config },
    state: { phase: "empty" },
    containers: new Map(),
    guestRoot: undefined,
  } as const;
  const plan = await planStorage(os, bundle, id, storageChoices(first), signal);
  const { isPod, ...needs } = machineNeedsOf(config, { id, bundle }, plan);
  const { devices: _rules, ...resources } = linux.resources ?? {};
  const container = { id, resources, annotations };
  const cloning = cloningOf({ os, config, root }, plan, container, needs.sharing);
  if (cloning.kind === "possible") {
    const clone = await planAheadClone(os, { config, cloning, plan }, signal);
    if (clone === undefined) return undefined;
    const sharedMemory = sharedMemoryOf(plan.guest.mounts);
    const facts = {
      id,
      hostname: hostnameOf(bundle.spec, id),
      storages: sharedMemory === undefined ? [] : [sharedMemory],
    };
    const first = needs.sharing ? {} : { firstRequest: sandboxRequestOf(config, facts) };
    return async (claimed) => {
      const { view, ...setting } = await settingIn(os, id, claimed);
      const place = { ...claimed, config, plan, setting: { ...setting, ...first, shared: view } };
      return (tree, within) => makeAheadClone(os, place, clone, tree, within);
    };
  }
  if (plan.rootfs.kind !== "shared" || plan.volumes.disks.length > 0) return undefined;
  const containers = [container];
  return async (claimed, within) => {
    const setting = await settingIn(os, id, claimed);
    const machine = bootRequestOf(config, needs, { ...setting, disks: [], containers, takesDevices: isPod });
    const programs = await vmPrograms(os, config, machine, within);
    return programs && (async () => programs);
  };
}

/** @throws KumiteError `cgroup/failed` if there is room for fewer processes: then the shim must get it */
async function settingIn(os: Os, id: string, { paths, journal }: ClaimedPlace) {
  const cgroups = machineCgroupsIn(journal.content.steps);
  await expectRoomForProcesses(os, cgroups, shimProcesses + machineProcesses);
  return { id, directory: paths.vm, cgroups, view: treeAt(paths.shared).view };
}

interface Making {
  /** Called with the reason if only the shared tree could be made. */
  readonly onFailure: (error: unknown) => void;
  readonly signal: AbortSignal;
}

/** Everything is in the journal before it is made. @throws KumiteError `storage/failed`, `aborted` */
export async function makeAhead(
  os: Os,
  { journal, paths }: ClaimedPlace,
  make: MakeMachine,
  { onFailure, signal }: Making,
): Promise<Ahead> {
  await journal.record(...treeSteps(paths.shared), { kind: "directory", path: paths.vm });
  const places = async (): Promise<void> => {
    await makeSharedTree(os, journal, paths.shared);
    await os.files.makeDir(paths.vm, 0o700);
  };
  const tree = places();
  const machine = make(tree, signal).catch((error: unknown) => {
    onFailure(error);
    return [];
  });
  const [programs] = await together(machine, tree);
  throwIfAborted(signal);
  const steps = programs.flatMap(({ key, sockets }): Step[] => [
    ...sockets.map((path) => ({ kind: "file", path }) as const),
    { kind: "process", key },
  ]);
  if (steps.length > 0) await journal.record(...steps);
  return { programs: programs.map(({ request }) => request) };
}

function configOf(os: Os, { installRoot, config, overrides, bundle }: AheadRequest): Promise<Config> {
  const { annotations = {} } = bundle.spec;
  const loading = { installRoot, path: config, overrides };
  return loadConfig(os, concernConfig(annotations) ? { ...loading, annotations } : loading);
}

/** QEMU and a virtiofsd, each with its threads. */
const machineProcesses = 24;

/** CAP_SYS_PTRACE as a bit of `CapEff` in /proc/PID/status. */
const traces = 1n << 19n;

/** The shim reads from /proc how its companions ended, which the kernel shows only to processes that may trace them. */
async function seesEnds(os: Os): Promise<boolean> {
  const capabilities = /^CapEff:\s*([0-9a-f]+)$/m.exec(await os.files.readText("/proc/self/status"))?.[1];
  return capabilities !== undefined && (BigInt(`0x${capabilities}`) & traces) !== 0n;
}
