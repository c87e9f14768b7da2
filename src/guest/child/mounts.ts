/**
 * Makes the mounts of a container below its root. Each mount is complete before it is attached, and attached to the
 * descriptor of a destination that was resolved once.
 */
import { cloneMountOf, mountFileSystem, reconfigureFileSystem } from "../../sys/linux/detached-mount.ts";
import { readlink, symlink } from "../../sys/linux/directory.ts";
import { closeQuietly } from "../../sys/linux/file.ts";
import { makeDirectoriesInRoot, openWithoutLinks } from "../../sys/linux/in-root.ts";
import { attachMount, fileSystemTypeOf, mount_setattr, PROC_SUPER_MAGIC } from "../../sys/linux/mount.ts";
import { O_PATH } from "../../sys/linux/open-flags.ts";
import { fileType, fstat, S_IFDIR } from "../../sys/linux/stat.ts";
import { isSystemError, SystemError } from "../../util/errors.ts";
import { baseName, dirName } from "../../util/path.ts";
import { idOutside } from "../spec/ids-outside.ts";
import { mountAttribute } from "../spec/mount-options.ts";
import type {
  AttributeChange,
  BindMountPlan,
  FsParameter,
  MountPlan,
  NewMountPlan,
  Propagation,
  RemountPlan,
  SymlinkPlan,
  UserNamespacePlan,
} from "../spec/plan.ts";
import { copyTree } from "./copy-tree.ts";
import { directoryMode, type MountRoot, type MountTarget } from "./mount-target.ts";
import { setPropagation } from "./rootfs.ts";
import { step } from "./step.ts";

type RealMountPlan = Exclude<MountPlan, SymlinkPlan>;

const none: AttributeChange = { set: 0, clear: 0 };

/**
 * Makes mounts read-only that had to stay writable until all other mounts and nodes in them existed. Must be called
 * once; it closes the descriptors it holds.
 */
export type Sealing = () => void;

export function mountAll(root: MountRoot, plans: readonly MountPlan[], user?: UserNamespacePlan): Sealing {
  const unsealed: { readonly mount: number; readonly destination: string }[] = [];
  for (const plan of plans) {
    const { destination } = plan;
    if (plan.kind === "symlink") {
      step(`linking ${destination}`, () => linkOnce(root.fd, plan));
      continue;
    }
    const mount = step(`mounting ${destination}`, () => mountOne(root, plan, user));
    if (sealedLate(plan)) unsealed.push({ mount, destination });
    else closeQuietly(mount);
  }
  return () => {
    for (const { mount, destination } of unsealed) {
      step(`making ${destination} read-only`, () => change(mount, { set: mountAttribute.readonly, clear: 0 }, false));
      closeQuietly(mount);
    }
  };
}

function sealedLate(plan: RealMountPlan): boolean {
  return plan.kind === "new" && plan.fstype === "tmpfs" && (plan.attributes.set & mountAttribute.readonly) !== 0;
}

/** Returns the descriptor of the mount; the caller closes it. */
function mountOne(root: MountRoot, plan: RealMountPlan, user: UserNamespacePlan | undefined): number {
  switch (plan.kind) {
    case "bind":
      return mountBind(root, plan);
    case "new":
      return mountNew(root, plan, user);
    case "remount":
      return remount(root, plan, user);
  }
}

function mountBind(root: MountRoot, plan: BindMountPlan): number {
  // A symlink in a directory that a container can write to would lead to the guest's own files.
  const source = openWithoutLinks(plan.source, O_PATH);
  try {
    const what = {
      directory: fileType(source) === S_IFDIR,
      fstype: undefined,
      isProc: () => fileSystemTypeOf(source) === PROC_SUPER_MAGIC,
    };
    return atTarget(root.target(plan.destination, what), plan.propagation, () => {
      return changed(cloneMountOf(source, plan.recursive, plan.source), plan);
    });
  } finally {
    closeQuietly(source);
  }
}

function mountNew(root: MountRoot, plan: NewMountPlan, user: UserNamespacePlan | undefined): number {
  const { fstype, source, attributes } = plan;
  const target = root.target(plan.destination, { directory: true, fstype, isProc: () => fstype === "proc" });
  return atTarget(target, plan.propagation, () => {
    const set = sealedLate(plan) ? attributes.set & ~mountAttribute.readonly : attributes.set;
    const mount = mountFileSystem(fstype, source, withIdsOutside(parametersOf(plan, target), user), set);
    return changed(mount, { attributes: none, recursiveAttributes: plan.recursiveAttributes }, () => {
      if (plan.copyUp && target.existed) copyTree(target.fd, mount);
    });
  });
}

/**
 * A tmpfs gets the mode of the directory that it covers, as under runc; a new directory keeps tmpfs's default, 1777.
 */
function parametersOf({ fstype, parameters }: NewMountPlan, target: MountTarget): readonly FsParameter[] {
  if (fstype !== "tmpfs" || !target.existed || parameters.some(({ key }) => key === "mode")) return parameters;
  return [...parameters, { key: "mode", value: (fstat(target.fd).mode & 0o7777).toString(8) }];
}

/** Ids are given as the container sees them, but the mount is made outside its user namespace. */
function withIdsOutside(
  parameters: readonly FsParameter[],
  user: UserNamespacePlan | undefined,
): readonly FsParameter[] {
  if (user === undefined) return parameters;
  return parameters.map(({ key, value }) => {
    if ((key !== "uid" && key !== "gid") || value === undefined) return { key, value };
    const outside = idOutside(key === "uid" ? user.uids : user.gids, Number(value));
    // The error that the kernel gives for a mount made inside.
    if (outside === undefined) throw new SystemError("EINVAL", "mount", `${key}=${value}`);
    return { key, value: String(outside) };
  });
}

/** In a root that was used before, the symlink may exist already. */
function linkOnce(root: number, { destination, text }: SymlinkPlan): void {
  const parent = makeDirectoriesInRoot(root, dirName(destination), directoryMode);
  try {
    symlink(text, baseName(destination), parent);
  } catch (error) {
    if (!isSystemError(error, "EEXIST") || linkAt(parent, baseName(destination)) !== text) throw error;
  } finally {
    closeQuietly(parent);
  }
}

/** `undefined` for anything but a symlink. */
function linkAt(directory: number, name: string): string | undefined {
  try {
    return readlink(name, directory);
  } catch (error) {
    if (isSystemError(error, "EINVAL")) return undefined;
    throw error;
  }
}

function remount(root: MountRoot, plan: RemountPlan, user: UserNamespacePlan | undefined): number {
  const mount = root.present(plan.destination);
  const { destination, parameters } = plan;
  return changed(mount, plan, () => {
    if (!fstat(mount).mountRoot) throw new SystemError("EINVAL", "remount", destination);
    if (parameters.length > 0) reconfigureFileSystem(mount, withIdsOutside(parameters, user), destination);
    propagate(mount, plan.propagation);
  });
}

/** Attaches the mount that `make` returns, and closes the target. */
function atTarget(target: MountTarget, propagation: readonly Propagation[], make: () => number): number {
  let mount: number | undefined;
  try {
    mount = make();
    attachMount(mount, target.fd);
    // Propagation can be set only on an attached mount.
    propagate(mount, propagation);
    return mount;
  } catch (error) {
    if (mount !== undefined) closeQuietly(mount);
    throw error;
  } finally {
    closeQuietly(target.fd);
  }
}

interface Changes {
  readonly attributes: AttributeChange;
  readonly recursiveAttributes: AttributeChange;
}

/** Returns the mount with its attributes changed; closes it on failure. */
function changed(mount: number, { attributes, recursiveAttributes }: Changes, before?: () => void): number {
  try {
    before?.();
    change(mount, recursiveAttributes, true);
    change(mount, attributes, false);
    return mount;
  } catch (error) {
    closeQuietly(mount);
    throw error;
  }
}

function change(mount: number, { set, clear }: AttributeChange, recursive: boolean): void {
  if (set !== 0 || clear !== 0) mount_setattr(mount, { set, clear, propagation: 0 }, recursive);
}

function propagate(mount: number, propagation: readonly Propagation[]): void {
  for (const bits of propagation) setPropagation(mount, bits);
}
