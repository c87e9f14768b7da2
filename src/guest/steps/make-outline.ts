/**
 * Computes the outline of a specification. The host does this, and so does the agent when it has read a specification
 * itself. Pure.
 */
import { uidOutside } from "../spec/ids-outside.ts";
import type { ContainerPlan, ProcessPlan, UserNamespacePlan } from "../spec/plan.ts";
import type { ContainerOutline, ProcessOutline } from "./outline.ts";

/** The kernel's default for the highest limit that any process may have (fs.nr_open). */
const usualMostDescriptors = 1_048_576n;
const RLIMIT_NOFILE = 7;

export function processOutline(
  { user, rlimits, terminal }: ProcessPlan,
  namespace: UserNamespacePlan | undefined,
  notApplied: readonly string[],
): ProcessOutline {
  const wanted = rlimits.find(({ resource }) => resource === RLIMIT_NOFILE)?.hard ?? 0n;
  return {
    pipeOwner: uidOutside(namespace, user.uid),
    descriptors: wanted > usualMostDescriptors ? String(wanted) : undefined,
    terminal: terminal !== undefined,
    notApplied,
  };
}

export function containerOutline(plan: ContainerPlan): ContainerOutline {
  const { create, join, shared, timeOffsets, user } = plan.namespaces;
  return {
    process: processOutline(plan.process, user, plan.notApplied),
    cgroupsPath: plan.cgroup.path,
    cgroupSettings: plan.cgroup.settings,
    cgroupOwner: plan.cgroup.owner,
    namespaces: { create, join, shared, timeOffsets },
    user,
    personality: plan.personality,
    ownKeyring: plan.ownKeyring,
    fileSystems: plan.mounts.flatMap((mount) => (mount.kind === "new" ? [mount.fstype] : [])),
  };
}
