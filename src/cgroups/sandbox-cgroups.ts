/**
 * The cgroups of containers and sandboxes: `relay` for a container's processes that engines see, and `vm` for
 * everything else of the sandbox, which is below the sandbox's first container. Both are below the specification's path
 * in every hierarchy. Every process is born in one of them, so they are the final authority on what must be killed.
 */
import type { Journal } from "../persist/journal.ts";
import type { Step } from "../persist/step.ts";
import type { Os } from "../sys/os.ts";
import { isSystemError, KumiteError } from "../util/errors.ts";
import { baseName, dirName } from "../util/path.ts";
import { defaultParent } from "./cgroup-path.ts";
import { hierarchiesIn } from "./hierarchies.ts";

const relayName = "relay";
const machineName = "vm";

/** Directories for new processes, one per hierarchy. */
export interface ContainerCgroups {
  readonly relay: readonly string[];
}

/** The cgroups of a sandbox's first container. */
export interface SandboxCgroups extends ContainerCgroups {
  readonly vm: readonly string[];
}

/**
 * @param path from the root of a hierarchy, as from `cgroupPathOf`
 * @throws KumiteError `cgroup/failed`, also if another container has this path; what was made by then is in the journal
 */
export async function makeSandboxCgroups(os: Os, journal: Journal, path: string): Promise<SandboxCgroups> {
  const [relay = [], vm = []] = await makeGroups(os, journal, path, [relayName, machineName]);
  return { relay, vm };
}

/** Like `makeSandboxCgroups`, for a container that is added to a sandbox. Only relays run on the host for it. */
export async function makeContainerCgroups(os: Os, journal: Journal, path: string): Promise<ContainerCgroups> {
  const [relay = []] = await makeGroups(os, journal, path, [relayName]);
  return { relay };
}

/** One list of directories per name. */
async function makeGroups(os: Os, journal: Journal, path: string, names: readonly string[]): Promise<string[][]> {
  const hierarchies = hierarchiesIn(await os.mounts.table());
  if (hierarchies.length === 0) {
    throw new KumiteError("cgroup/failed", "no cgroup hierarchy is mounted", {
      phase: "cgroup.make",
      hint: "mount one, e.g. `mount -t cgroup2 none /sys/fs/cgroup`",
    });
  }
  const directories = hierarchies.map((hierarchy) => `${hierarchy.directory}${path}`);
  const roots = hierarchies.map((hierarchy) => hierarchy.directory);
  const groups = names.map((name) => directories.map((directory) => `${directory}/${name}`));
  const leaves = groups.flat();

  // Checked before the steps are in the journal: otherwise recovery would kill another container's processes.
  for (const leaf of leaves) if ((await os.files.status(leaf)) !== undefined) throw inUse(leaf);
  const parents = await parentSteps(os, roots, directories);
  await journal.record(...parents, ...leaves.map((leaf): Step => ({ kind: "cgroup", path: leaf })));
  for (const leaf of leaves) await makeLeaf(os, leaf);
  return groups;
}

/** `SandboxCgroups.vm`, from the steps of a sandbox's journal. */
export function machineCgroupsIn(steps: readonly Step[]): string[] {
  return steps.flatMap((step) => (step.kind === "cgroup" && baseName(step.path) === machineName ? [step.path] : []));
}

/** The parents that Kumite has to remove: those that are missing now, and the default parent of all sandboxes. */
async function parentSteps(os: Os, roots: readonly string[], directories: readonly string[]): Promise<Step[]> {
  const steps: Step[] = [];
  for (const [index, directory] of directories.entries()) {
    const root = roots[index] ?? "";
    const missing: string[] = [];
    for (let at = directory; at !== root; at = dirName(at)) {
      if (at === `${root}${defaultParent}` || (await os.files.status(at)) === undefined) missing.unshift(at);
    }
    steps.push(...missing.map((path): Step => ({ kind: "cgroup-parent", path })));
  }
  return steps;
}

/**
 * Another sandbox's end may remove a shared parent while it is made or used here; then try again. EEXIST for a
 * directory that is gone by the next check has the same cause.
 */
async function makeLeaf(os: Os, leaf: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await os.files.makeDirs(dirName(leaf), 0o755);
      return await os.files.makeDir(leaf, 0o755);
    } catch (error) {
      if (isSystemError(error, "EEXIST") && (await os.files.status(leaf)) !== undefined) throw inUse(leaf);
      if (isSystemError(error, "ENOENT", "ENODEV", "EEXIST") && attempt < 5) continue;
      if (!isSystemError(error)) throw error;
      throw new KumiteError("cgroup/failed", `cgroup ${leaf} cannot be created`, {
        phase: "cgroup.make",
        data: { cgroup: leaf },
        cause: error,
      });
    }
  }
}

function inUse(leaf: string): KumiteError {
  return new KumiteError("cgroup/failed", `cgroup ${leaf} exists: another container uses this linux.cgroupsPath`, {
    phase: "cgroup.make",
    hint: "give each container its own cgroupsPath, or remove the cgroup if nothing uses it any more",
    data: { cgroup: leaf },
  });
}
