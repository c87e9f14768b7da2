/**
 * The user namespace of a container. Everything of the container is made with the agent's rights and the ids of the
 * container's root; then the process moves into the namespace, and its mounts with it: those that are there can no more be
 * taken apart by whoever is root inside.
 */
import { SECBIT_NO_SETUID_FIXUP, setfsgid, setfsuid, setgid, setgroups, setuid } from "../../sys/linux/credentials.ts";
import { closeQuietly } from "../../sys/linux/file.ts";
import { PR_SET_SECUREBITS, prctl, setns, unshare } from "../../sys/linux/process.ts";
import { rootOutside } from "../spec/ids-outside.ts";
import { namespaceFlag } from "../spec/namespace-flags.ts";
import type { UserNamespacePlan } from "../spec/plan.ts";
import { awaitRelease, reportUnmapped } from "./control.ts";
import { step } from "./step.ts";

/** What is made on file systems from here on is the container's root's; the rights stay. */
export function makeAsItsRoot(user: UserNamespacePlan): void {
  step("taking the ids of the container's root", () => {
    const { uid, gid } = rootOutside(user);
    prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP);
    setfsgid(gid);
    setfsuid(uid);
  });
}

/** With a copy of the mount namespace, and one of cgroups, that are the new namespace's. The agent writes the maps meanwhile. */
export function enterNewUserNamespace(control: number): void {
  step("making the user namespace", () => {
    unshare(namespaceFlag.user | namespaceFlag.mount | namespaceFlag.cgroup);
    reportUnmapped(control);
    awaitRelease(control);
    becomeItsRoot();
  });
}

/** Of the process that the pidfd stands for. Takes the descriptor. */
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
