/** The kernel's file systems as the agent and containers need them; the same places in a machine and on a host. */
import { mountFileSystem } from "../../sys/linux/detached-mount.ts";
import { makedev } from "../../sys/linux/device.ts";
import { mkdir, mknod, symlink } from "../../sys/linux/directory.ts";
import { closeQuietly } from "../../sys/linux/file.ts";
import { attachMount } from "../../sys/linux/mount.ts";
import { S_IFCHR, statIfExists } from "../../sys/linux/stat.ts";
import { cgroupRoot } from "../cgroup/hierarchy.ts";
import { readMountOptions } from "../spec/mount-options.ts";

interface FileSystem {
  readonly type: string;
  readonly path: string;
  readonly options: readonly string[];
}

const before: readonly FileSystem[] = [
  { type: "proc", path: "/proc", options: ["nosuid", "nodev", "noexec"] },
  { type: "sysfs", path: "/sys", options: ["nosuid", "nodev", "noexec"] },
];
const kernelDevices: FileSystem = { type: "devtmpfs", path: "/dev", options: ["nosuid", "mode=755"] };
const ownDevices: FileSystem = { type: "tmpfs", path: "/dev", options: ["nosuid", "noexec", "mode=755"] };
const after: readonly FileSystem[] = [
  { type: "devpts", path: "/dev/pts", options: ["nosuid", "noexec", "mode=620", "ptmxmode=666", "gid=5"] },
  { type: "tmpfs", path: "/dev/shm", options: ["nosuid", "nodev", "mode=1777"] },
  { type: "tmpfs", path: "/run", options: ["nosuid", "nodev", "mode=755"] },
  { type: "cgroup2", path: cgroupRoot, options: ["nosuid", "nodev", "noexec"] },
];

/** What a machine's kernel offers, with every device it has. */
export function mountForMachine(): void {
  for (const fileSystem of [...before, kernelDevices]) mountOne(fileSystem);
}

/** The rest, without which the agent reaches its host. */
export function mountForContainers(): void {
  for (const fileSystem of after) mountOne(fileSystem);
}

/** The same without the devices of the host, of which only those exist that do no harm. */
export function mountForProcess(): void {
  for (const fileSystem of [...before, ownDevices]) mountOne(fileSystem);
  for (const [name, minor] of harmless) mknod(`/dev/${name}`, S_IFCHR | 0o666, makedev(1, minor));
  mountForContainers();
  symlink("pts/ptmx", "/dev/ptmx");
}

/** Of the memory devices, major 1. */
const harmless: readonly (readonly [name: string, minor: number])[] = [
  ["null", 3],
  ["zero", 5],
  ["full", 7],
  ["random", 8],
  ["urandom", 9],
];

function mountOne({ type, path, options }: FileSystem): void {
  // Looked for first: an error costs more than all the rest of a mount, and most images have them all.
  if (statIfExists(path) === undefined) mkdir(path, 0o755);
  const { attributes, parameters } = readMountOptions(options);
  const mount = mountFileSystem(type, type, parameters, attributes.set);
  try {
    attachMount(mount, path);
  } finally {
    closeQuietly(mount);
  }
}
