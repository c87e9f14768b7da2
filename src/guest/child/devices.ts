/** The nodes and symlinks that every container has in /dev, besides mounts. */
import { makedev } from "../../sys/linux/device.ts";
import { chmod, chown, mknod, symlink, unlink } from "../../sys/linux/directory.ts";
import { closeQuietly } from "../../sys/linux/file.ts";
import { makeDirectoriesInRoot } from "../../sys/linux/in-root.ts";
import { AT_SYMLINK_NOFOLLOW } from "../../sys/linux/open-flags.ts";
import { S_IFBLK, S_IFCHR, S_IFIFO, S_IFMT, statIfExists } from "../../sys/linux/stat.ts";
import { isSystemError, SystemError } from "../../util/errors.ts";
import { baseName, dirName } from "../../util/path.ts";
import { gidOutside, uidOutside } from "../spec/ids-outside.ts";
import type { ContainerPlan, DevicePlan, UserNamespacePlan } from "../spec/plan.ts";
import { directoryMode } from "./mount-target.ts";
import { step } from "./step.ts";

/** Symlinks that programs rely on (runtime-spec, "Dev symbolic links"). */
const links: readonly (readonly [path: string, target: string])[] = [
  ["/dev/fd", "/proc/self/fd"],
  ["/dev/stdin", "/proc/self/fd/0"],
  ["/dev/stdout", "/proc/self/fd/1"],
  ["/dev/stderr", "/proc/self/fd/2"],
];
/** A node from the image would open terminals of the guest's devpts, whose names mean nothing in the container. */
const multiplexer = ["/dev/ptmx", "pts/ptmx"] as const;

/** A /dev that is bound from elsewhere belongs to somebody else and is left as it is. */
export function populateDev(rootFd: number, plan: ContainerPlan): void {
  if (plan.mounts.some(({ kind, destination }) => kind === "bind" && destination === "/dev")) return;
  const directories = new Directories(rootFd);
  try {
    const { user } = plan.namespaces;
    for (const device of plan.devices) step(`making ${device.path}`, () => makeDevice(directories, device, user));
    for (const [path, target] of links) step(`making ${path}`, () => makeLink(directories, path, target));
    step(`making ${multiplexer[0]}`, () => replaceByLink(directories, ...multiplexer));
  } finally {
    directories.close();
  }
}

/** The directories for nodes and symlinks, usually a single one. Each is opened once, and created if missing. */
class Directories {
  readonly #rootFd: number;
  readonly #opened = new Map<string, number>();

  constructor(rootFd: number) {
    this.#rootFd = rootFd;
  }

  of(path: string): number {
    const directory = dirName(path);
    const present = this.#opened.get(directory);
    if (present !== undefined) return present;
    const fd = makeDirectoriesInRoot(this.#rootFd, directory, directoryMode);
    this.#opened.set(directory, fd);
    return fd;
  }

  close(): void {
    for (const fd of this.#opened.values()) closeQuietly(fd);
    this.#opened.clear();
  }
}

function makeDevice(directories: Directories, device: DevicePlan, user: UserNamespacePlan | undefined): void {
  const parent = directories.of(device.path);
  const name = baseName(device.path);
  const number = makedev(device.major, device.minor);
  try {
    mknod(name, typeOf(device) | device.mode, number, parent);
  } catch (error) {
    if (!isSystemError(error, "EEXIST")) throw error;
    // An image may bring its own nodes. A different node of the same name must not pass for the requested one.
    const present = statIfExists(name, AT_SYMLINK_NOFOLLOW, parent);
    const same = present !== undefined && (present.mode & S_IFMT) === typeOf(device);
    if (!same || present.deviceNumber !== number) throw new SystemError("EEXIST", "mknod", device.path);
    chmod(name, device.mode, parent);
  }
  chown(name, uidOutside(user, device.uid), gidOutside(user, device.gid), AT_SYMLINK_NOFOLLOW, parent);
}

function typeOf({ kind }: DevicePlan): number {
  switch (kind) {
    case "character":
      return S_IFCHR;
    case "block":
      return S_IFBLK;
    case "fifo":
      return S_IFIFO;
  }
}

function replaceByLink(directories: Directories, path: string, target: string): void {
  try {
    symlink(target, baseName(path), directories.of(path));
  } catch (error) {
    if (!isSystemError(error, "EEXIST")) throw error;
    unlink(baseName(path), directories.of(path));
    symlink(target, baseName(path), directories.of(path));
  }
}

function makeLink(directories: Directories, path: string, target: string): void {
  try {
    symlink(target, baseName(path), directories.of(path));
  } catch (error) {
    // A file from the image stays, as with runc.
    if (!isSystemError(error, "EEXIST")) throw error;
  }
}
