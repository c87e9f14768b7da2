/**
 * The steps of a container's first process. `undefined` if something is needed for which there is no step: terminals,
 * hooks, user namespaces, rarer kinds of mounts. The order is that of child/container-init.ts, which explains it. Pure.
 */

import { mountAttribute } from "../spec/mount-options.ts";
import { namespaceFlag } from "../spec/namespace-flags.ts";
import type { BindMountPlan, ContainerPlan, DevicePlan, MountPlan, NewMountPlan } from "../spec/plan.ts";
import { addExecution, addLimits, addOomScore, addProgram, isUsualProcess, maxStepsBytes } from "./process-steps.ts";
import { StepWriter, step } from "./writer.ts";

type UsualMount = BindMountPlan | NewMountPlan;

/** Symlinks in the /dev of every container, and whether each replaces an existing file; see child/devices.ts. */
const links: readonly (readonly [path: string, target: string, replaces: boolean])[] = [
  ["/dev/fd", "/proc/self/fd", false],
  ["/dev/stdin", "/proc/self/fd/0", false],
  ["/dev/stdout", "/proc/self/fd/1", false],
  ["/dev/stderr", "/proc/self/fd/2", false],
  ["/dev/ptmx", "pts/ptmx", true],
];

/** S_IF* values. */
const fileTypes: Readonly<Record<DevicePlan["kind"], number>> = {
  character: 0o020000,
  block: 0o060000,
  fifo: 0o010000,
};

/** The umask of programs that are not the container's. */
const usualUmask = 0o022;

export function containerSteps(plan: ContainerPlan): Uint8Array | undefined {
  const { mounts, process } = plan;
  if (!isUsual(plan) || !isUsualProcess(process) || !mounts.every(isUsualMount)) return undefined;
  const steps = new StepWriter();
  addOomScore(steps, process);
  addNames(steps, plan);
  steps.add(step.umask, 0);
  steps.add(step.attachRoot, plan.rootfs.path, plan.rootfs.propagation);
  for (const mount of mounts as readonly UsualMount[]) addMount(steps, mount);
  if (!mounts.some(({ kind, destination }) => kind === "bind" && destination === "/dev")) addDevices(steps, plan);
  steps.add(step.directory, process.cwd);
  steps.add(step.umask, usualUmask);
  steps.add(step.seal);
  for (const path of plan.readonlyPaths) steps.add(step.readOnly, path);
  for (const path of plan.maskedPaths) steps.add(step.mask, path);
  steps.add(step.enterRoot, plan.rootfs.propagation, plan.rootfs.readonly);
  addLimits(steps, process);
  addProgram(steps, process);
  steps.add(step.awaitStart);
  addExecution(steps, process);
  const bytes = steps.bytes();
  return bytes.length > maxStepsBytes ? undefined : bytes;
}

/** Whether everything except mounts and process is ordinary. */
function isUsual({ namespaces, hooks }: ContainerPlan): boolean {
  const { create, join, user } = namespaces;
  if (user !== undefined || join.length > 0) return false;
  if ((create & (namespaceFlag.time | namespaceFlag.network | namespaceFlag.user)) !== 0) return false;
  return hooks.createContainer.length === 0 && hooks.startContainer.length === 0;
}

/** Mounts that may cover something in /proc are left to the agent's own code, which checks them. */
function isUsualMount(mount: MountPlan): boolean {
  const { kind, destination } = mount;
  if (kind !== "bind" && kind !== "new") return false;
  if (destination.startsWith("/proc/")) return false;
  if (kind === "bind") return destination !== "/proc";
  return !mount.copyUp && (destination !== "/proc" || mount.fstype === "proc");
}

function addNames(steps: StepWriter, { namespaces, hostname, domainname, sysctl }: ContainerPlan): void {
  if ((namespaces.create & namespaceFlag.cgroup) !== 0) steps.add(step.unshare, namespaceFlag.cgroup);
  if (hostname !== undefined) steps.add(step.hostName, hostname);
  if (domainname !== undefined) steps.add(step.domainName, domainname);
  for (const [name, value] of sysctl) steps.add(step.write, `/proc/sys/${name}`, value);
}

function addMount(steps: StepWriter, mount: UsualMount): void {
  const { destination, recursiveAttributes: all, attributes: own, propagation } = mount;
  if (mount.kind === "bind") {
    const { source, recursive } = mount;
    steps.add(step.mountBind, destination, source, recursive, all.set, all.clear, own.set, own.clear, propagation);
    return;
  }
  const { fstype, source, parameters } = mount;
  // A tmpfs becomes read-only only after its devices are made. It gets the mode of the directory that it covers.
  const isTmpfs = fstype === "tmpfs";
  const isSealed = isTmpfs && (own.set & mountAttribute.readonly) !== 0;
  const attributes = isSealed ? own.set & ~mountAttribute.readonly : own.set;
  const takesMode = isTmpfs && !parameters.some(({ key }) => key === "mode");
  const flat = parameters.flatMap(({ key, value }) => [key, value === undefined ? 0 : 1, value ?? ""]);
  steps.add(
    step.mountNew,
    ...[destination, fstype, source, attributes, all.set, all.clear, isSealed, takesMode],
    ...[parameters.length, ...flat],
    propagation,
  );
}

function addDevices(steps: StepWriter, { devices }: ContainerPlan): void {
  for (const { path, kind, mode, major, minor, uid, gid } of devices) {
    steps.add(step.device, path, fileTypes[kind] | mode, major, minor, uid, gid);
  }
  for (const [path, target, replaces] of links) steps.add(step.link, path, target, replaces);
}
