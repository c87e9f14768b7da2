/**
 * The cgroup v2 hierarchy as the agent uses it. A cgroup has the controllers that its parent enables for its children.
 * The agent itself stays in a leaf, because a cgroup that enables controllers cannot have processes.
 */
import { mkdirIfMissing, rmdir } from "../../sys/linux/directory.ts";
import { readFileText, writeKernelFile } from "../../sys/linux/whole-file.ts";
import { isSystemError } from "../../util/errors.ts";
import { dirName } from "../../util/path.ts";
import { agentCgroup, readyCgroup } from "../spec/cgroup-path.ts";
import { ReadyPlace } from "./ready-place.ts";

/** Where the agent mounts the hierarchy, in a VM as well as in the namespaces of the process driver. */
export const cgroupRoot = "/sys/fs/cgroup";

/**
 * Controllers that every container gets for limits and statistics. The others are enabled only on demand, since each
 * makes the start of a container slower.
 */
const always: readonly string[] = ["cpu", "memory", "pids"];

const directoryMode = 0o755;

export const readyDirectory = `${cgroupRoot}${readyCgroup}`;

export class Hierarchy {
  /**
   * The controllers each directory enables for its children. Only the agent changes that, so it need not ask the kernel
   * again.
   */
  readonly #distributed = new Map<string, Set<string>>();
  readonly ready = new ReadyPlace();

  /** Moves the agent into its leaf. Returns those of the usual controllers that containers cannot have. */
  prepare(): readonly string[] {
    mkdirIfMissing(`${cgroupRoot}${agentCgroup}`, directoryMode);
    writeKernelFile(`${cgroupRoot}${agentCgroup}/cgroup.procs`, "0");
    this.#distribute(cgroupRoot, always);
    return always.filter((name) => this.#distributed.get(cgroupRoot)?.has(name) !== true);
  }

  /** Creates the cgroup for the first container, without processes and without limits. Returns its directory. */
  makeReady(): string {
    this.makeCgroup(readyCgroup, []);
    this.ready.offer();
    return readyDirectory;
  }

  /** Removes the cgroup for the first container, unless it is in use. */
  removeReady(): void {
    this.removeEmpty(readyDirectory);
  }

  /** Must be called when a container's cgroup has been removed. */
  removed(directory: string): void {
    this.#distributed.delete(directory);
    if (directory === readyDirectory) this.ready.forget();
  }

  /**
   * Creates the directory of a cgroup and its parents, with these controllers in addition to the usual ones.
   * @param path below the root, normalized, with a leading slash
   * @returns whether the last directory is new
   */
  makeCgroup(path: string, controllers: readonly string[]): boolean {
    const wanted = [...always, ...controllers];
    let directory = cgroupRoot;
    let isNew = false;
    for (const part of path.slice(1).split("/")) {
      this.#distribute(directory, wanted);
      directory = `${directory}/${part}`;
      isNew = mkdirIfMissing(directory, directoryMode);
    }
    return isNew;
  }

  /** Removes this directory and its parents, up to the first that is still in use. */
  removeEmpty(directory: string): void {
    for (let at = directory; at !== cgroupRoot; at = dirName(at)) {
      try {
        rmdir(at);
      } catch (error) {
        if (!isSystemError(error)) throw error;
        if (error.errno !== "ENOENT") return;
      }
      this.removed(at);
    }
  }

  /**
   * If the kernel lacks or refuses a controller, the error comes later, when a setting of that controller is written.
   */
  #distribute(directory: string, names: readonly string[]): void {
    const present = this.#distributed.get(directory) ?? new Set();
    this.#distributed.set(directory, present);
    const missing = names.filter((name) => !present.has(name));
    if (missing.length === 0) return;
    // In one write if possible, because each change walks the whole tree below.
    const enabled = tryEnable(directory, missing) ? missing : missing.filter((name) => tryEnable(directory, [name]));
    for (const name of enabled) present.add(name);
  }
}

function tryEnable(directory: string, names: readonly string[]): boolean {
  try {
    writeKernelFile(`${directory}/cgroup.subtree_control`, names.map((name) => `+${name}`).join(" "));
    return true;
  } catch (error) {
    if (isSystemError(error)) return false;
    throw error;
  }
}

/** The cgroup of a process as the kernel names it: a path below the root. */
export function cgroupOf(pid: number): string {
  const line = readFileText(`/proc/${pid}/cgroup`)
    .split("\n")
    .find((text) => text.startsWith("0::"));
  return line?.slice("0::".length) ?? "/";
}
