/**
 * The mounts of a container, made below its root. Destinations are resolved inside that root and made when missing;
 * what is mounted goes onto the descriptor that was resolved.
 */
import { cloneMountOf, mountFileSystem } from "../../sys/linux/detached-mount.ts";
import { closeQuietly } from "../../sys/linux/file.ts";
import { makeDirectoriesInRoot, makeFileInRoot, openWithoutLinks } from "../../sys/linux/in-root.ts";
import { attachMount, mount_setattr } from "../../sys/linux/mount.ts";
import { O_PATH } from "../../sys/linux/open-flags.ts";
import { fstat, isDirectory } from "../../sys/linux/stat.ts";
import type { AttributeChange, BindMountPlan, MountPlan, NewMountPlan } from "../spec/plan.ts";
import { setPropagation } from "./rootfs.ts";
import { step } from "./step.ts";

/** Of mount points that have to be made, as runc makes them. */
export const directoryMode = 0o755;
const fileMode = 0o755;

export function mountAll(rootFd: number, plans: readonly MountPlan[]): void {
  for (const plan of plans) step(`mounting ${plan.destination}`, () => mountOne(rootFd, plan));
}

function mountOne(rootFd: number, plan: MountPlan): void {
  const made = plan.kind === "bind" ? makeBind(plan) : makeNew(plan);
  let target: number | undefined;
  try {
    target = made.directory
      ? makeDirectoriesInRoot(rootFd, plan.destination, directoryMode)
      : makeFileInRoot(rootFd, plan.destination, fileMode, directoryMode);
    attachMount(made.mount, target);
    // Only an attached mount can take part in propagation.
    for (const bits of plan.propagation) setPropagation(made.mount, bits);
  } finally {
    closeQuietly(made.mount);
    if (target !== undefined) closeQuietly(target);
  }
}

interface DetachedMount {
  readonly mount: number;
  /** Whether the mount's root is a directory: it fits only onto its like. */
  readonly directory: boolean;
}

function makeBind(plan: BindMountPlan): DetachedMount {
  // A link in a directory that a container can write would lead to the guest's own files.
  const source = openWithoutLinks(plan.source, O_PATH);
  try {
    const directory = isDirectory(fstat(source));
    return change({ mount: cloneMountOf(source, plan.recursive, plan.source), directory }, plan);
  } finally {
    closeQuietly(source);
  }
}

function makeNew(plan: NewMountPlan): DetachedMount {
  const mount = mountFileSystem(plan.fstype, plan.source, plan.parameters, plan.attributes.set);
  return change({ mount, directory: true }, { attributes: none, recursiveAttributes: plan.recursiveAttributes });
}

const none: AttributeChange = { set: 0, clear: 0 };

function change(
  made: DetachedMount,
  plan: { readonly attributes: AttributeChange; readonly recursiveAttributes: AttributeChange },
): DetachedMount {
  try {
    if (!isNothing(plan.recursiveAttributes)) {
      mount_setattr(made.mount, { ...plan.recursiveAttributes, propagation: 0 }, true);
    }
    if (!isNothing(plan.attributes)) mount_setattr(made.mount, { ...plan.attributes, propagation: 0 }, false);
    return made;
  } catch (error) {
    closeQuietly(made.mount);
    throw error;
  }
}

function isNothing({ set, clear }: AttributeChange): boolean {
  return set === 0 && clear === 0;
}
