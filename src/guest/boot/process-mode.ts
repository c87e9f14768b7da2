/**
 * The agent on a host's own kernel, for the process driver: in namespaces of its own, in a root of its own below which
 * the host's files are at one place, and without the capabilities over what belongs to the host.
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

/** Where the agent finds the host's root. */
export const hostRoot = "/host";

/** A directory that every system has, covered for a moment. */
const place = "/proc";

const hostsOwn: readonly CapabilityName[] = ["CAP_SYS_MODULE", "CAP_SYS_BOOT", "CAP_SYS_TIME"];

/** For the first process of a pid namespace, which somebody made together with the others; else it makes them itself. */
export function prepareProcessMode(pid: number, channelFd: number): void {
  if (pid !== 1) {
    unshare(namespaceFlag.mount | namespaceFlag.uts | namespaceFlag.ipc | namespaceFlag.network);
    restartInOwnPidNamespace(channelFd);
  }
  // Its root is the cgroup that the driver has put us into.
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

/** What the host mounts later below a shared directory still arrives; nothing of ours reaches the host. */
function enterOwnRoot(): void {
  setPropagation("/", propagation.slave | propagation.recursive);
  const root = mountFileSystem("tmpfs", "kumite-agent", [{ key: "mode", value: "755" }], 0);
  attachMount(root, place);
  closeQuietly(root);
  mkdir(`${place}${hostRoot}`, 0o755);
  pivot_root(place, `${place}${hostRoot}`);
  chdir("/");
}
