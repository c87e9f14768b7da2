/**
 * The agent on a host's own kernel, for the process driver. It has its own namespaces and its own root, with the host's
 * files below one directory, and lacks the capabilities that would affect the host itself.
 */
import type { CapabilityName } from "../../oci/capabilities.ts";
import { capget, capset } from "../../sys/linux/credentials.ts";
import { mountFileSystem } from "../../sys/linux/detached-mount.ts";
import { chdir, mkdir } from "../../sys/linux/directory.ts";
import { closeQuietly } from "../../sys/linux/file.ts";
import { bringUpLoopback } from "../../sys/linux/interface.ts";
import { attachMount, pivot_root } from "../../sys/linux/mount.ts";
import { PR_CAPBSET_DROP, prctl, unshare } from "../../sys/linux/process.ts";
import { setPropagation } from "../child/rootfs.ts";
import { capabilityNumber } from "../spec/capabilities.ts";
import { propagation } from "../spec/mount-options.ts";
import { namespaceFlag } from "../spec/namespace-flags.ts";
import { mountForProcess } from "./file-systems.ts";
import { restartInOwnPidNamespace } from "./own-pid-namespace.ts";

/** The directory below which the agent sees the host's root. */
export const hostRoot = "/host";

/** A directory that exists on every system; it is covered only briefly. */
const place = "/proc";

const hostsOwn: readonly CapabilityName[] = ["CAP_SYS_MODULE", "CAP_SYS_BOOT", "CAP_SYS_TIME"];

/**
 * The agent may already be the first process of a pid namespace that was made together with the others; otherwise it
 * creates them here.
 */
export function prepareProcessMode(pid: number, channelFd: number): void {
  if (pid !== 1) {
    unshare(namespaceFlag.mount | namespaceFlag.uts | namespaceFlag.ipc | namespaceFlag.network);
    restartInOwnPidNamespace(channelFd);
  }
  // The namespace's root is the cgroup that the driver has put the agent into.
  unshare(namespaceFlag.cgroup);
  dropCapabilities();
  enterOwnRoot();
  mountForProcess();
  bringUpLoopback();
}

function dropCapabilities(): void {
  for (const name of hostsOwn) prctl(PR_CAPBSET_DROP, capabilityNumber(name));
  const dropped = hostsOwn.reduce((bits, name) => bits | (1n << BigInt(capabilityNumber(name))), 0n);
  const { effective, permitted, inheritable } = capget();
  const without = (set: bigint): bigint => set ^ (set & dropped);
  capset({ effective: without(effective), permitted: without(permitted), inheritable: without(inheritable) });
}

/**
 * Mounts that the host makes later below a shared directory still propagate here; no mount of the agent propagates to
 * the host.
 */
function enterOwnRoot(): void {
  setPropagation("/", propagation.slave | propagation.recursive);
  const root = mountFileSystem("tmpfs", "kumite-agent", [{ key: "mode", value: "755" }], 0);
  attachMount(root, place);
  closeQuietly(root);
  mkdir(`${place}${hostRoot}`, 0o755);
  pivot_root(place, `${place}${hostRoot}`);
  chdir("/");
}
