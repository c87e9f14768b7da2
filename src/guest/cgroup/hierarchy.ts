/**
 * The version 2 hierarchy as the agent uses it. A cgroup gets those controllers that its parent distributes; the agent
 * itself stays in a leaf, because a cgroup that distributes controllers cannot have processes.
 */
import { mkdirIfMissing, rmdir } from "../../sys/linux/directory.ts";
import { readFileText, writeKernelFile } from "../../sys/linux/whole-file.ts";
import { isSystemError } from "../../util/errors.ts";
import { dirName } from "../../util/path.ts";
import { agentCgroup, readyCgroup } from "../spec/cgroup-path.ts";
import { ReadyPlace } from "./ready-place.ts";

/** Where the agent mounts the hierarchy, in a machine and in the namespaces of the process driver alike. */
export const cgroupRoot = "/sys/fs/cgroup";

/** What every container is limited and measured by. Others cost a container that does not use them its start. */
const always: readonly string[] = ["cpu", "memory", "pids"];

const directoryMode = 0o755;

const readyDirectory = `${cgroupRoot}${readyCgroup}`;

export class Hierarchy {
  /** By directory: what it distributes. Only the agent changes that, so the kernel is not asked again. */
  readonly #distributed = new Map<string, Set<string>>();
  readonly ready = new ReadyPlace();

  /** Moves the agent into its leaf; returns those of the usual controllers that containers cannot have. */
  prepare(): readonly string[] {
    mkdirIfMissing(`${cgroupRoot}${agentCgroup}`, directoryMode);
    writeKernelFile(`${cgroupRoot}${agentCgroup}/cgroup.procs`, "0");
    this.#distribute(cgroupRoot, always);
    return always.filter((name) => this.#distributed.get(cgroupRoot)?.has(name) !== true);
  }

  /** Makes the cgroup that the first container gets, with nobody in it and without limits. Returns its directory. */
  makeReady(): string {
    this.makeCgroup(readyCgroup, []);
    this.ready.offer();
    return readyDirectory;
  }

  /** A container's cgroup is removed. */
  removed(directory: string): void {
    this.#distributed.delete(directory);
    if (directory === readyDirectory) this.ready.forget();
  }

  /**
   * Makes the directory of a cgroup and those above it, with these controllers besides the usual ones.
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

  /** Removes directories from this one up to the first that somebody else still uses. */
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

  /** What the kernel does not have, or refuses, is missing later where it is set. */
  #distribute(directory: string, names: readonly string[]): void {
    const present = this.#distributed.get(directory) ?? new Set();
    this.#distributed.set(directory, present);
    const missing = names.filter((name) => !present.has(name));
    if (missing.length === 0) return;
    // Together when they can be had together: each change goes through the whole tree below.
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

/** Of a process, as the kernel names it: a path below the root. */
export function cgroupOf(pid: number): string {
  const line = readFileText(`/proc/${pid}/cgroup`)
    .split("\n")
    .find((text) => text.startsWith("0::"));
  return line?.slice("0::".length) ?? "/";
}
