/**
 * The kernel's file systems that the agent and containers need, at the same places in a VM and on a host. Each is
 * mounted by a single mount(2) call. The code that reads mount options of a container is not used, so that a boot does
 * not have to load it.
 */
import { ENOENT } from "../../sys/linux/check.ts";
import { makedev } from "../../sys/linux/device.ts";
import { mkdir, mknod, symlink } from "../../sys/linux/directory.ts";
import { mount, tryMount } from "../../sys/linux/mount.ts";
import { MS_NODEV, MS_NOEXEC, MS_NOSUID } from "../../sys/linux/mount-flags.ts";
import { S_IFCHR } from "../../sys/linux/stat.ts";
import { cgroupRoot } from "../cgroup/hierarchy.ts";

interface FileSystem {
  readonly type: string;
  readonly path: string;
  readonly flags: number;
  /** Options of the file system itself; default none. */
  readonly data?: string;
}

const before: readonly FileSystem[] = [
  { type: "proc", path: "/proc", flags: MS_NOSUID | MS_NODEV | MS_NOEXEC },
  { type: "sysfs", path: "/sys", flags: MS_NOSUID | MS_NODEV | MS_NOEXEC },
];
const kernelDevices: FileSystem = { type: "devtmpfs", path: "/dev", flags: MS_NOSUID, data: "mode=755" };
const ownDevices: FileSystem = { type: "tmpfs", path: "/dev", flags: MS_NOSUID | MS_NOEXEC, data: "mode=755" };
const after: readonly FileSystem[] = [
  { type: "devpts", path: "/dev/pts", flags: MS_NOSUID | MS_NOEXEC, data: "mode=620,ptmxmode=666,gid=5" },
  { type: "tmpfs", path: "/dev/shm", flags: MS_NOSUID | MS_NODEV, data: "mode=1777" },
  { type: "tmpfs", path: "/run", flags: MS_NOSUID | MS_NODEV, data: "mode=755" },
  { type: "cgroup2", path: cgroupRoot, flags: MS_NOSUID | MS_NODEV | MS_NOEXEC },
];

/** Mounts what the agent needs to find its devices in a VM: proc, sysfs and devtmpfs. */
export function mountForMachine(): void {
  for (const fileSystem of [...before, kernelDevices]) mountOne(fileSystem);
}

/** Mounts the rest, which the agent does not need to reach its host. */
export function mountForContainers(): void {
  for (const fileSystem of after) mountOne(fileSystem);
}

/** The same under the process driver: /dev has none of the host's devices except some harmless ones. */
export function mountForProcess(): void {
  for (const fileSystem of [...before, ownDevices]) mountOne(fileSystem);
  for (const [name, minor] of harmless) mknod(`/dev/${name}`, S_IFCHR | 0o666, makedev(1, minor));
  mountForContainers();
  symlink("pts/ptmx", "/dev/ptmx");
}

/** Minor numbers of memory devices, whose major is 1. */
const harmless: readonly (readonly [name: string, minor: number])[] = [
  ["null", 3],
  ["zero", 5],
  ["full", 7],
  ["random", 8],
  ["urandom", 9],
];

/** Most images have the directories, so they are created only if the mount fails. */
function mountOne({ type, path, flags, data = "" }: FileSystem): void {
  if (tryMount(type, path, type, flags, data) !== ENOENT) return;
  mkdir(path, 0o755);
  mount(type, path, type, flags, data);
}
