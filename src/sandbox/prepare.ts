/**
 * The part of a create that the calling command does before there is a shim: the id, the cgroups and the names of the
 * processes to come are in the journal before anything is started. Runs on the small engine.
 */
import { cgroupPathOf } from "../cgroups/cgroup-path.ts";
import { makeSandboxCgroups, type SandboxCgroups } from "../cgroups/sandbox-cgroups.ts";
import type { Bundle } from "../oci/bundle.ts";
import { claimSandbox } from "../persist/claim.ts";
import type { Journal } from "../persist/journal.ts";
import { type SandboxPaths, socketDirectory } from "../persist/paths.ts";
import type { Os, ProcessId } from "../sys/os.ts";
import { recoverSandbox } from "./recover.ts";

export interface PreparedSandbox {
  readonly paths: SandboxPaths;
  /** Directories for `SpawnRequest.cgroups` of relay and shim. */
  readonly cgroups: SandboxCgroups;
  readonly journal: Journal;
}

/** Keys of the process steps that `prepareSandbox` has written down. */
export type PreparedProcess = "shim" | "relay";

/**
 * Claims the id and makes what shim and relay are born into. Leaves nothing behind when it fails. From its success to
 * `handToShim` the caller answers for the sandbox: `recoverSandbox` removes whatever there is by then.
 *
 * @throws KumiteError `container/exists`, `container/bad-id`, `cgroup/failed`
 */
export async function prepareSandbox(os: Os, root: string, id: string, bundle: Bundle): Promise<PreparedSandbox> {
  const { paths, journal } = await claimSandbox(os, {
    root,
    id,
    bundle: bundle.path,
    rootfs: bundle.rootfs,
    annotations: bundle.spec.annotations ?? {},
  });
  try {
    await os.files.makeDirs(socketDirectory, 0o700);
    const cgroups = await makeSandboxCgroups(os, journal, cgroupPathOf(bundle.spec.linux.cgroupsPath, id));
    await journal.record(
      { kind: "file", path: paths.socket },
      { kind: "process", key: "shim" satisfies PreparedProcess },
      { kind: "process", key: "relay" satisfies PreparedProcess },
    );
    return { paths, cgroups, journal };
  } catch (error) {
    // What cannot be removed stays in the journal, under a stopped sandbox; the first error is the one that matters.
    await recoverSandbox(os, root, id).catch(() => {});
    throw error;
  }
}

/**
 * Writes down which processes were started and gives the journal to the shim. Must be over before the shim is asked to
 * create the container: from then on only the shim writes.
 */
export async function handToShim(
  { journal }: PreparedSandbox,
  processes: { readonly shim: ProcessId; readonly relay: ProcessId },
): Promise<void> {
  // One write: the calls share it.
  await Promise.all([
    journal.made("shim" satisfies PreparedProcess, processes.shim),
    journal.made("relay" satisfies PreparedProcess, processes.relay),
    journal.handOver(processes.shim),
  ]);
}
