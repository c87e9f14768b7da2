/**
 * The part of a create that the command does before a shim exists. The id, the cgroups and the names of the processes
 * are in the journal before anything is started. Runs on the small engine.
 */
import { cgroupPathOf } from "../cgroups/cgroup-path.ts";
import { expectRoomForProcesses, shimProcesses } from "../cgroups/process-room.ts";
import {
  type ContainerCgroups,
  makeContainerCgroups,
  makeSandboxCgroups,
  type SandboxCgroups,
} from "../cgroups/sandbox-cgroups.ts";
import type { Bundle } from "../oci/bundle.ts";
import { claimContainer } from "../persist/claim.ts";
import type { Journal } from "../persist/journal.ts";
import { type SandboxPaths, sandboxPaths, socketDirectory } from "../persist/paths.ts";
import type { Step } from "../persist/step.ts";
import type { Os, ProcessId } from "../sys/os.ts";
import { recoverContainer } from "./recover.ts";

export interface PreparedSandbox {
  readonly paths: SandboxPaths;
  /** Directories for `SpawnRequest.cgroups` of the relay and the shim. */
  readonly cgroups: SandboxCgroups;
  readonly journal: Journal;
}

/** For a container that is added to a sandbox, which already has a shim. */
export interface PreparedContainer {
  readonly cgroups: ContainerCgroups;
  readonly journal: Journal;
}

/** Called with the reason why a failed preparation could not be removed. The original error is thrown afterwards. */
export type OnLeftOver = (error: unknown) => void | Promise<void>;

/** Keys of the process steps that are recorded here. */
export type PreparedProcess = "shim" | "relay";

/**
 * Claims the id and makes what the shim and the relay are born into. Leaves nothing behind if it fails. From its
 * success until `handToShim` the caller is responsible for the sandbox: `recoverContainer` removes whatever exists by
 * then.
 *
 * @throws KumiteError `container/exists`, `container/bad-id`, `cgroup/failed`
 */
export async function prepareSandbox(
  os: Os,
  root: string,
  id: string,
  bundle: Bundle,
  onLeftOver?: OnLeftOver,
): Promise<PreparedSandbox> {
  const paths = sandboxPaths(root, id);
  const journal = await claim(os, root, { id, bundle });
  const cgroups = await orNothing(os, root, id, onLeftOver, async () => {
    await os.files.makeDirs(socketDirectory, 0o700);
    const made = await makeSandboxCgroups(os, journal, cgroupPathOf(bundle.spec.linux.cgroupsPath, id));
    await expectRoomForProcesses(os, made.vm, shimProcesses);
    await journal.record({ kind: "file", path: paths.socket }, processStep("shim"), processStep("relay"));
    return made;
  });
  return { paths, cgroups, journal };
}

/** The same for a container that is added to a sandbox. The journal stays with the caller until the shim takes it. */
export async function prepareContainer(
  os: Os,
  root: string,
  sandbox: string,
  { id, bundle }: { readonly id: string; readonly bundle: Bundle },
  onLeftOver?: OnLeftOver,
): Promise<PreparedContainer> {
  const journal = await claim(os, root, { id, bundle, sandbox });
  const cgroups = await orNothing(os, root, id, onLeftOver, async () => {
    const made = await makeContainerCgroups(os, journal, cgroupPathOf(bundle.spec.linux.cgroupsPath, id));
    await journal.record(processStep("relay"));
    return made;
  });
  return { cgroups, journal };
}

interface Claimed {
  readonly id: string;
  readonly bundle: Bundle;
  readonly sandbox?: string;
}

async function claim(os: Os, root: string, { id, bundle, sandbox }: Claimed): Promise<Journal> {
  const { path, rootfs, spec } = bundle;
  const annotations = spec.annotations ?? {};
  return (await claimContainer(os, { root, id, sandbox, bundle: path, rootfs, annotations })).journal;
}

function processStep(key: PreparedProcess): Step {
  return { kind: "process", key };
}

/** What cannot be removed stays in the journal of a stopped container. The first error is the one that is thrown. */
async function orNothing<T>(
  os: Os,
  root: string,
  id: string,
  onLeftOver: OnLeftOver = () => {},
  make: () => Promise<T>,
): Promise<T> {
  try {
    return await make();
  } catch (error) {
    await recoverContainer(os, root, id).catch(onLeftOver);
    throw error;
  }
}

/**
 * Records which processes were started and hands the journal to the shim. Must be done before the shim is asked to
 * create the container: from then on only the shim writes the journal.
 */
export async function handToShim(
  { journal }: PreparedSandbox,
  processes: { readonly shim: ProcessId; readonly relay: ProcessId },
): Promise<void> {
  // The three calls share one write.
  await Promise.all([
    journal.made("shim" satisfies PreparedProcess, processes.shim),
    journal.made("relay" satisfies PreparedProcess, processes.relay),
    journal.handOver(processes.shim),
  ]);
}
