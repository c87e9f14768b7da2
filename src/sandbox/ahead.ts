/**
 * What of a sandbox the command makes while its shim starts: the shared tree and the processes of a machine that boots. They are
 * children of the shim, which takes them over when it comes to ask for the same, and ends them when it asks for others: it
 * decides everything again. So nothing depends on what is decided here but time. Runs on the small engine.
 */
import { expectRoomForProcesses, shimProcesses } from "../cgroups/process-room.ts";
import { machineCgroupsIn } from "../cgroups/sandbox-cgroups.ts";
import { concernConfig } from "../config/annotations.ts";
import { loadConfig } from "../config/load.ts";
import type { Bundle } from "../oci/bundle.ts";
import type { Journal } from "../persist/journal.ts";
import type { SandboxPaths } from "../persist/paths.ts";
import type { Step } from "../persist/step.ts";
import { planStorage } from "../storage/container-storage.ts";
import { makeSharedTree, treeAt, treeSteps } from "../storage/shared-tree.ts";
import type { Os, SpawnRequest } from "../sys/os.ts";
import { vmPrograms } from "../vm/vm-programs.ts";
import { cloningOf } from "./cloning.ts";
import { bootRequestOf, machineNeedsOf } from "./machine-needs.ts";
import { storageChoices } from "./storage-choices.ts";

export interface AheadRequest {
  readonly root: string;
  readonly id: string;
  readonly paths: SandboxPaths;
  readonly bundle: Bundle;
  /** Of the sandbox, where the cgroups of its processes are. */
  readonly journal: Journal;
  readonly installRoot: string;
  /** Absolute; `undefined` for the system's configuration. */
  readonly config: string | undefined;
  readonly overrides: readonly string[];
}

export interface Ahead {
  /** Of all that is made, in the order in which a shim would make it. */
  readonly steps: readonly Step[];
  /** Companions of the shim. */
  readonly programs: readonly SpawnRequest[];
}

/**
 * `undefined` when nothing is to be gained, or cannot be known so early. Makes nothing.
 * @throws KumiteError where the shim would fail too, or where it may find another way
 */
export async function planAhead(os: Os, request: AheadRequest, signal: AbortSignal): Promise<Ahead | undefined> {
  const { root, id, paths, bundle, journal, installRoot, overrides } = request;
  const { annotations = {}, hooks = {}, linux } = bundle.spec;
  // What they do comes before the machine.
  if ([...(hooks.prestart ?? []), ...(hooks.createRuntime ?? [])].length > 0) return undefined;
  if (!(await seesEnds(os))) return undefined;
  const loading = { installRoot, path: request.config, overrides };
  const config = await loadConfig(os, concernConfig(annotations) ? { ...loading, annotations } : loading);
  if (config.hypervisor === "process") return undefined;
  const first = {
    host: { os, config },
    state: { phase: "empty" },
    containers: new Map(),
    guestRoot: undefined,
  } as const;
  const plan = await planStorage(os, bundle, id, storageChoices(first), signal);
  if (plan.rootfs.kind !== "shared" || plan.volumes.disks.length > 0) return undefined;
  const { isPod, ...needs } = machineNeedsOf(config, { id, bundle }, plan);
  const { devices: _rules, ...resources } = linux.resources ?? {};
  const container = { id, resources, annotations: bundle.spec.annotations };
  if (cloningOf({ os, config, root }, plan, container, needs.sharing).kind === "possible") return undefined;
  const cgroups = machineCgroupsIn(journal.content.steps);
  // With less it is the shim that needs it.
  await expectRoomForProcesses(os, cgroups, shimProcesses + machineProcesses);
  const machine = bootRequestOf(config, needs, {
    id,
    directory: paths.vm,
    cgroups,
    disks: [],
    view: treeAt(paths.shared).view,
    containers: [container],
    takesDevices: isPod,
  });
  const programs = await vmPrograms(os, config, machine, signal);
  if (programs === undefined) return undefined;
  const parts = programs.flatMap(({ key, sockets }): Step[] => [
    ...sockets.map((path) => ({ kind: "file", path }) as const),
    { kind: "process", key },
  ]);
  const steps: Step[] = [...treeSteps(paths.shared), { kind: "directory", path: paths.vm }, ...parts];
  return { steps, programs: programs.map((program) => program.request) };
}

/** What the programs need to find. The journal has its steps before. @throws KumiteError `storage/failed` */
export async function makeAhead(os: Os, journal: Journal, paths: SandboxPaths, { steps }: Ahead): Promise<void> {
  await journal.record(...steps);
  await makeSharedTree(os, journal, paths.shared);
  await os.files.makeDir(paths.vm, 0o700);
}

/** QEMU with its threads, and a daemon with its own. */
const machineProcesses = 24;

/** CAP_SYS_PTRACE, as a bit of the line `CapEff` of /proc/PID/status. */
const traces = 1n << 19n;

/** A shim learns how its companions end from /proc, which tells whoever may trace them. */
async function seesEnds(os: Os): Promise<boolean> {
  const capabilities = /^CapEff:\s*([0-9a-f]+)$/m.exec(await os.files.readText("/proc/self/status"))?.[1];
  return capabilities !== undefined && (BigInt(`0x${capabilities}`) & traces) !== 0n;
}
