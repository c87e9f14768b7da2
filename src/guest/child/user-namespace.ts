/**
 * The user namespace of a container. Everything of the container is made with the agent's privileges and the ids of the
 * container's root. Then the process moves into the namespace with a copy of its mounts. The kernel locks those, so
 * root in the container cannot undo them.
 */
import { SECBIT_NO_SETUID_FIXUP, setfsgid, setfsuid, setgid, setgroups, setuid } from "../../sys/linux/credentials.ts";
import { closeQuietly } from "../../sys/linux/file.ts";
import { PR_SET_SECUREBITS, prctl, setns, unshare } from "../../sys/linux/process.ts";
import { rootOutside } from "../spec/ids-outside.ts";
import { namespaceFlag } from "../spec/namespace-flags.ts";
import type { UserNamespacePlan } from "../spec/plan.ts";
import { awaitRelease, reportUnmapped } from "./control.ts";
import { step } from "./step.ts";

/** File system objects made from here on belong to the container's root; the process keeps its privileges. */
export function makeAsItsRoot(user: UserNamespacePlan): void {
  step("taking the ids of the container's root", () => {
    const { uid, gid } = rootOutside(user);
    prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP);
    setfsgid(gid);
    setfsuid(uid);
  });
}

/**
 * Also creates a copy of the mount namespace and a cgroup namespace, which belong to the new user namespace. The agent
 * writes the id maps meanwhile.
 */
export function enterNewUserNamespace(control: number): void {
  step("making the user namespace", () => {
    unshare(namespaceFlag.user | namespaceFlag.mount | namespaceFlag.cgroup);
    reportUnmapped(control);
    awaitRelease(control);
    becomeItsRoot();
  });
}

/** Enters the user namespace of the pidfd's process, and closes the descriptor. */
export function joinUserNamespace(pidfd: number): void {
  step("entering the user namespace", () => {
    setns(pidfd, namespaceFlag.user);
    closeQuietly(pidfd);
    becomeItsRoot();
  });
}

function becomeItsRoot(): void {
  setgroups([]);
  setgid(0);
  setuid(0);
}
