/**
 * Finds the destination of a mount inside the container's root, creates it if missing, and checks whether it may be
 * mounted on. It does not know what will be mounted, except as `Mountable` says.
 */
import { pathOf } from "../../sys/linux/directory.ts";
import { closeQuietly } from "../../sys/linux/file.ts";
import { makeDirectoriesInRoot, makeFileInRoot, openInRoot, openInRootIfPresent } from "../../sys/linux/in-root.ts";
import { O_DIRECTORY, O_PATH, RESOLVE_NO_SYMLINKS } from "../../sys/linux/open-flags.ts";
import { fileType, S_IFDIR } from "../../sys/linux/stat.ts";
import { isSystemError, KumiteError, SystemError } from "../../util/errors.ts";
import { normalizePath } from "../../util/path.ts";
import { wrong } from "../spec/wrong.ts";

/** Mode of mount points that have to be created, as in runc. */
export const directoryMode = 0o755;
const fileMode = 0o755;

export interface MountTarget {
  /** An O_PATH descriptor; the caller closes it. */
  readonly fd: number;
  /** Whether it existed before. A new mount may then copy its mode or content. */
  readonly existed: boolean;
}

/** What is to be mounted. */
export interface Mountable {
  readonly directory: boolean;
  /** Type of a new file system; `undefined` for a bind. */
  readonly fstype: string | undefined;
  /** Called only where nothing but proc may be mounted. */
  isProc(): boolean;
}

/**
 * Files in /proc that other file systems (lxcfs) may cover. Anything else there would deceive programs about the
 * kernel.
 */
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

/** The root of a container, with its path in the agent's tree. */
export class MountRoot {
  readonly fd: number;
  readonly #path: string;

  /** Does not take ownership of the descriptor. */
  constructor(fd: number) {
    this.fd = fd;
    this.#path = pathOf(fd);
  }

  /**
   * @throws KumiteError `oci/spec-invalid` for a path that must not be covered
   * @throws SystemError
   */
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

  /**
   * Opens the existing destination.
   * @throws SystemError ENOENT
   */
  present(destination: string): number {
    return openInRoot(this.fd, destination, O_PATH);
  }

  #open(destination: string, { directory, fstype }: Mountable): number | undefined {
    // If there is a file instead of a directory, the attempt to create the directory fails.
    const flags = directory ? O_PATH | O_DIRECTORY : O_PATH;
    if (fstype !== "proc" && fstype !== "sysfs") return openInRootIfPresent(this.fd, destination, flags);
    // A symlink in the image could redirect proc or sysfs to a path that is neither masked nor read-only.
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

  /** Checks the resolved path, not the one that was given. */
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
