/**
 * Puts a container's root file system and volumes into the shared tree. Works before and after the daemon that serves
 * the tree was started: binds reach it by propagation.
 */
import type { Journal } from "../persist/journal.ts";
import type { Step } from "../persist/step.ts";
import type { MountEntry, Os } from "../sys/os.ts";
import { isSystemError, KumiteError } from "../util/errors.ts";
import { isBelow } from "../util/path.ts";
import { volumeName } from "./guest-paths.ts";
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
}

/**
 * `root.readonly` is not applied here: mount points may have to be made in the root first, which the agent does.
 *
 * @param journal of a container that goes before its tree does; else the binds need no steps of their own
 * @throws KumiteError `storage/failed` naming the source
 */
export async function shareContainer(
  os: Os,
  tree: SharedTree,
  containerId: string,
  rootfs: RootfsPlan,
  volumes: readonly Volume[],
  journal?: Journal,
): Promise<void> {
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
  for (const bind of binds) {
    try {
      await share(os, placesOf(bind), bind);
    } catch (error) {
      if (!isSystemError(error)) throw error;
      throw new KumiteError("storage/failed", `${bind.source} cannot be shared with the guest`, {
        phase: "storage.share",
        data: { source: bind.source },
        cause: error,
      });
    }
  }
}

/** A layer that is not to be written to cannot be, whatever the guest does. */
function rootBinds(plan: RootfsPlan): Bind[] {
  const bind = (source: string, readonly: boolean): Bind[] => [
    { source, name: "rootfs", kind: "directory", readonly, recursive: true },
  ];
  if (plan.kind === "shared") return bind(plan.directory, false);
  if (plan.kind === "layers" && plan.lower.kind === "shared") return bind(plan.lower.directory, true);
  return [];
}

/** Undone the last first: what is mounted goes before the directories. */
function stepsOf({ stage, place }: Places, { kind }: Bind): Step[] {
  return [
    { kind, path: stage },
    { kind: "mount", target: stage },
    { kind: "mount", target: place },
  ];
}

/**
 * A bind first exists on the private stage, where it loses its propagation and gets its flags; only then is it bound
 * to its place. So the guest never sees it writable for a moment, and changing flags needs no second change in the view,
 * to which they would not propagate.
 */
async function share(os: Os, { stage, place }: Places, bind: Bind): Promise<void> {
  await makeMountPoint(os, stage, bind.kind);
  await makeMountPoint(os, place, bind.kind);
  const recursion = bind.recursive ? ["rec"] : [];
  if (bind.overlay === undefined) {
    await os.mounts.mount({ source: bind.source, target: stage, flags: ["bind", ...recursion] });
  } else {
    await os.mounts.mount({ source: bind.source, target: stage, type: "overlay", flags: [], data: bind.overlay });
  }
  await os.mounts.mount({ target: stage, flags: ["rec", "private"] });
  for (const mount of (await os.mounts.table()).filter((entry) => isBelow(stage, entry.target))) {
    const flags = ["remount", "bind", ...flagsFor(mount, bind.readonly)];
    // By descriptor below the stage: what lies there may be somebody's to change, and a link would lead the flags away.
    const below = mount.target === stage ? {} : { beneath: stage };
    const target = mount.target === stage ? stage : mount.target.slice(stage.length);
    await os.mounts.mount({ target, flags, ...below });
  }
  await os.mounts.mount({ source: stage, target: place, flags: ["bind", ...recursion] });
  await os.mounts.unmount(stage, { lazy: true });
  if (bind.kind === "directory") await os.files.removeDir(stage);
  else await os.files.removeFile(stage);
}

/** A remount replaces all flags, so those that the source has are given again. */
const keptFlags = ["ro", "nosuid", "nodev", "noexec", "noatime", "nodiratime", "relatime"];

/**
 * The host never follows set-user-id bits or device nodes of a tree that a guest writes. Inside the guest they work:
 * these are flags of the host's mount.
 */
function flagsFor({ options }: MountEntry, readonly: boolean): string[] {
  const kept = keptFlags.filter((flag) => options.includes(flag));
  return [...new Set([...kept, "nosuid", "nodev", ...(readonly ? ["ro"] : [])])];
}

async function makeMountPoint(os: Os, path: string, kind: "file" | "directory"): Promise<void> {
  if (kind === "directory") await os.files.makeDir(path, 0o755);
  else await os.files.write(path, "", { exclusive: true });
}
