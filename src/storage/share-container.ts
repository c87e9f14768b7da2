/**
 * Puts a container's root file system and volumes into the shared tree. It does not matter whether virtiofsd is running
 * already, because binds reach it by propagation.
 */
import type { Journal } from "../persist/journal.ts";
import type { Step } from "../persist/step.ts";
import type { MountRequest, Os } from "../sys/os.ts";
import { isSystemError, KumiteError } from "../util/errors.ts";
import { baseName } from "../util/path.ts";
import { sandboxMounts, volumeName } from "./guest-paths.ts";
import type { Volume } from "./mount-plan.ts";
import type { RootfsPlan } from "./rootfs/rootfs-plan.ts";
import type { SharedTree } from "./shared-tree.ts";

interface Places {
  readonly stage: string;
  readonly place: string;
}

interface Bind {
  readonly source: string;
  readonly name: string;
  readonly kind: "file" | "directory";
  readonly readonly: boolean;
  readonly recursive: boolean;
  readonly overlay?: string;
  readonly beneath?: string;
}

/** What is shared for one container. */
export interface ContainerShare {
  readonly containerId: string;
  readonly rootfs: RootfsPlan;
  readonly volumes: readonly Volume[];
}

/**
 * `root.readonly` is not applied here, because the agent may first have to make mount points in the root.
 * @param journal of a container that leaves before the tree is removed; otherwise the binds need no steps of their own
 * @throws KumiteError `storage/failed` naming the source
 */
export async function shareContainer(
  os: Os,
  tree: SharedTree,
  { containerId, rootfs, volumes }: ContainerShare,
  journal?: Journal,
): Promise<void> {
  refuseReserved(containerId);
  const directory = `${tree.mounts}/${containerId}`;
  const binds = [
    ...rootBinds(rootfs),
    ...volumes.map((volume): Bind => ({ ...volume, name: volumeName(volume.index) })),
  ];
  const placesOf = ({ name }: Bind): Places => ({
    stage: `${tree.stage}/${containerId}-${name}`,
    place: `${directory}/${name}`,
  });
  await journal?.record(
    { kind: "directory", path: directory },
    ...binds.flatMap((bind) => stepsOf(placesOf(bind), bind)),
  );
  await os.files.makeDir(directory, 0o755);
  for (const bind of binds) await shareOrTell(os, placesOf(bind), bind);
}

/** Every sandbox may have a directory of this name next to those of its containers. */
function refuseReserved(containerId: string): void {
  if (containerId !== sandboxMounts) return;
  throw new KumiteError("container/bad-id", `container id ${containerId} is reserved`, {
    phase: "storage.share",
    hint: "give the container another id",
    data: { id: containerId },
  });
}

/** Shares what every sandbox gets (`sandbox_bind_mounts`). The guest finds it in `sandbox-mounts`. */
export async function shareSandboxMounts(
  os: Os,
  tree: SharedTree,
  mounts: readonly { readonly path: string; readonly readOnly: boolean }[],
): Promise<void> {
  if (mounts.length === 0) return;
  const directory = `${tree.mounts}/${sandboxMounts}`;
  await os.files.makeDir(directory, 0o755);
  for (const { path, readOnly } of mounts) {
    const name = baseName(path);
    const kind = (await os.files.status(path))?.kind === "directory" ? "directory" : "file";
    const places = { stage: `${tree.stage}/${sandboxMounts}-${name}`, place: `${directory}/${name}` };
    await shareOrTell(os, places, { source: path, name, kind, readonly: readOnly, recursive: true });
  }
}

async function shareOrTell(os: Os, places: Places, bind: Bind): Promise<void> {
  try {
    await share(os, places, bind);
  } catch (error) {
    if (!isSystemError(error)) throw error;
    throw new KumiteError("storage/failed", `${bind.source} cannot be shared with the guest`, {
      phase: "storage.share",
      ...(isSystemError(error, "EXDEV", "ELOOP") ? { hint: leadsOut } : {}),
      data: { source: bind.source },
      cause: error,
    });
  }
}

const leadsOut = "a link on its path leads out of a directory that the guest can write to";

/** A lower layer is mounted read-only on the host, so that no guest can write to it. */
function rootBinds(plan: RootfsPlan): Bind[] {
  const bind = (source: string, readonly: boolean): Bind[] => [
    { source, name: "rootfs", kind: "directory", readonly, recursive: true },
  ];
  if (plan.kind === "shared") return bind(plan.directory, false);
  if (plan.kind === "layers" && plan.lower.kind === "shared") return bind(plan.lower.directory, true);
  return [];
}

/** Steps are undone in reverse order: mounts before directories. */
function stepsOf({ stage, place }: Places, { kind }: Bind): Step[] {
  return [
    { kind, path: stage },
    { kind: "mount", target: stage },
    { kind: "mount", target: place },
  ];
}

/**
 * The host ignores set-user-id bits and device nodes in a tree that a guest writes. They work inside the guest, because
 * these are flags of the host's mount.
 */
const hostFlags = ["nosuid", "nodev"];

/**
 * A bind first exists on the private stage, and then in its place, where the guest sees it. It gets its flags, also for
 * the mounts below it, before it appears anywhere. It is thus never writable for a moment, and there is no path below
 * it that somebody could exchange meanwhile.
 */
async function share(os: Os, { stage, place }: Places, bind: Bind): Promise<void> {
  await makeMountPoint(os, stage, bind.kind);
  await makeMountPoint(os, place, bind.kind);
  const recursion = bind.recursive ? ["rec"] : [];
  const flags = [...hostFlags, ...(bind.readonly ? ["ro"] : [])];
  if (bind.overlay === undefined) {
    const source = sourceOf(bind);
    await os.mounts.mount({ ...source, target: stage, flags: ["bind", ...recursion, "private", ...flags] });
  } else {
    await os.mounts.mount({ source: bind.source, target: stage, type: "overlay", flags, data: bind.overlay });
    await os.mounts.mount({ target: stage, flags: ["private"] });
  }
  await os.mounts.mount({ source: stage, target: place, flags: ["bind", ...recursion] });
  await os.mounts.unmount(stage, { lazy: true });
  if (bind.kind === "directory") await os.files.removeDir(stage);
  else await os.files.removeFile(stage);
}

/** A source in a tree that the guest writes is resolved beneath that tree, wherever links point by now. */
function sourceOf({ source, beneath }: Bind): Pick<MountRequest, "source" | "sourceBeneath"> {
  if (beneath === undefined) return { source };
  return { source: source.slice(beneath.length + 1), sourceBeneath: beneath };
}

async function makeMountPoint(os: Os, path: string, kind: "file" | "directory"): Promise<void> {
  if (kind === "directory") await os.files.makeDir(path, 0o755);
  else await os.files.write(path, "", { exclusive: true });
}
