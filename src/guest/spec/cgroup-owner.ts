/**
 * The owner of a container's cgroup (runtime-spec, "Cgroup ownership"): the container's user, if it has a writable
 * cgroup mount. Pure.
 */
import { uidOutside } from "./ids-outside.ts";
import { mountAttribute } from "./mount-options.ts";
import { namespaceFlag } from "./namespace-flags.ts";
import type { MountPlan, NamespacePlan, UserPlan } from "./plan.ts";

/** `undefined`: the cgroup stays root's, like the agent. */
export function readCgroupOwner(
  { create, user }: NamespacePlan,
  mounts: readonly MountPlan[],
  { uid }: UserPlan,
): number | undefined {
  if ((create & namespaceFlag.cgroup) === 0 || !mounts.some(isWritableCgroup)) return undefined;
  const owner = uidOutside(user, uid);
  return owner === 0 ? undefined : owner;
}

function isWritableCgroup(mount: MountPlan): boolean {
  if (mount.kind !== "new" || mount.fstype !== "cgroup2") return false;
  return ((mount.attributes.set | mount.recursiveAttributes.set) & mountAttribute.readonly) === 0;
}
