/**
 * Where a mount of a container goes: its destination, resolved inside the container's root and made when missing, and
 * whether anything may be mounted there. Knows nothing of what will be.
 */
import { pathOf } from "../../sys/linux/directory.ts";
import { closeQuietly } from "../../sys/linux/file.ts";
import { makeDirectoriesInRoot, makeFileInRoot, openInRoot, openInRootIfPresent } from "../../sys/linux/in-root.ts";
import { O_DIRECTORY, O_PATH, RESOLVE_NO_SYMLINKS } from "../../sys/linux/open-flags.ts";
import { fileType, S_IFDIR } from "../../sys/linux/stat.ts";
import { isSystemError, KumiteError, SystemError } from "../../util/errors.ts";
import { normalizePath } from "../../util/path.ts";
import { wrong } from "../spec/wrong.ts";

/** Of mount points that have to be made, as runc makes them. */
export const directoryMode = 0o755;
const fileMode = 0o755;

export interface MountTarget {
  /** An O_PATH descriptor; the caller closes it. */
  readonly fd: number;
  /** It was there already: what is mounted on it may take after it. */
  readonly existed: boolean;
}

/** What is to be mounted. */
export interface Mountable {
  readonly directory: boolean;
  /** Of a new file system; `undefined` for a bind. */
  readonly fstype: string | undefined;
  /** Asked only where nothing else may be mounted. */
  isProc(): boolean;
}

/** What other file systems (lxcfs) may cover in /proc; anything else there would deceive programs about the kernel. */
const coverable: ReadonlySet<string> = new Set([
  "/proc/cpuinfo",
  "/proc/diskstats",
  "/proc/loadavg",
  "/proc/meminfo",
  "/proc/net/dev",
  "/proc/slabinfo",
  "/proc/stat",
  "/proc/swaps",
  "/proc/sys/crypto/fips_enabled",
  "/proc/sys/kernel/ns_last_pid",
  "/proc/uptime",
]);

/** The root of a container and its name in the agent's tree. */
export class MountRoot {
  readonly fd: number;
  readonly #path: string;

  /** Does not own the descriptor. */
  constructor(fd: number) {
    this.fd = fd;
    this.#path = pathOf(fd);
  }

  /** @throws KumiteError `oci/spec-invalid` for a place that must not be covered; SystemError */
  target(destination: string, what: Mountable): MountTarget {
    const present = this.#open(destination, what);
    const fd = present ?? this.#make(destination, what);
    try {
      this.#check(fd, destination, what);
      if (present !== undefined && !what.directory && fileType(fd) === S_IFDIR) {
        throw new SystemError("EISDIR", "mount", destination);
      }
      return { fd, existed: present !== undefined };
    } catch (error) {
      closeQuietly(fd);
      throw error;
    }
  }

  /** What is there. @throws SystemError ENOENT */
  present(destination: string): number {
    return openInRoot(this.fd, destination, O_PATH);
  }

  #open(destination: string, { directory, fstype }: Mountable): number | undefined {
    // A file in place of a directory is found by the attempt to make that.
    const flags = directory ? O_PATH | O_DIRECTORY : O_PATH;
    if (fstype !== "proc" && fstype !== "sysfs") return openInRootIfPresent(this.fd, destination, flags);
    // A link of the image's would put what programs trust where nobody protects it.
    try {
      return openInRootIfPresent(this.fd, destination, flags, RESOLVE_NO_SYMLINKS);
    } catch (error) {
      if (!isSystemError(error, "ELOOP")) throw error;
      throw new KumiteError("oci/spec-invalid", `filesystem "${fstype}" must be mounted on ordinary directory`);
    }
  }

  #make(destination: string, { directory }: Mountable): number {
    if (directory) return makeDirectoriesInRoot(this.fd, destination, directoryMode);
    return makeFileInRoot(this.fd, destination, fileMode, directoryMode);
  }

  /** Where links have led decides, not what was written. */
  #check(fd: number, destination: string, what: Mountable): void {
    const place = normalizePath(pathOf(fd).slice(this.#path.length));
    if (place === "." || place === "/") throw wrong(`mount ${destination}`, "would cover the root file system");
    if (place === "/proc") {
      if (what.isProc()) return;
      throw new KumiteError("oci/spec-invalid", `"${destination}" cannot be mounted because it is not of type proc`);
    }
    if (!place.startsWith("/proc/") || coverable.has(place)) return;
    throw new KumiteError("oci/spec-invalid", `"${destination}" cannot be mounted because it is inside /proc`);
  }
}
