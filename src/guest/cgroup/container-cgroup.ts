/**
 * The cgroup of one container: created with its limits before any process is in it, emptied and removed after the
 * container.
 */
import { chown, DT_DIR, openDirectory, readdir, rmdir, rmdirIfPossible } from "../../sys/linux/directory.ts";
import { closeQuietly } from "../../sys/linux/file.ts";
import { readFileText, writeKernelFile } from "../../sys/linux/whole-file.ts";
import { isKumiteError, isSystemError, KumiteError, messageOf } from "../../util/errors.ts";
import { dirName } from "../../util/path.ts";
import type { CgroupPlan, CgroupSetting } from "../spec/plan.ts";
import { applySetting, type SettingOptions } from "./apply-setting.ts";
import { CgroupEvents } from "./cgroup-events.ts";
import { fitToMachine } from "./cpuset.ts";
import { cgroupRoot, type Hierarchy, readyDirectory } from "./hierarchy.ts";

/** Controllers that are enabled only for cgroups that use them, by the prefix of their files' names. */
const onDemand: readonly string[] = ["cpuset", "hugetlb", "io", "misc", "rdma"];

export class ContainerCgroup {
  /** Absolute path of the cgroup's directory. */
  readonly directory: string;
  /** Descriptor of the cgroup's directory, for starting processes in it. */
  readonly fd: number;
  readonly #hierarchy: Hierarchy;
  #removed = false;

  private constructor(hierarchy: Hierarchy, directory: string) {
    this.#hierarchy = hierarchy;
    this.directory = directory;
    this.fd = openDirectory(directory);
  }

  /** @throws KumiteError `cgroup/failed`; then nothing is left behind */
  static create(
    hierarchy: Hierarchy,
    { path, settings, owner }: Omit<CgroupPlan, "devices">,
    options: SettingOptions,
  ): ContainerCgroup {
    // The cgroup of the running container lies below this path, although it is elsewhere in the hierarchy.
    if (hierarchy.ready.isBelow(path)) throw inUse(path);
    const place = hierarchy.ready.placeFor(path);
    const directory = `${cgroupRoot}${place.path}`;
    try {
      const fitting = fitToMachine(settings, options.notApplied);
      const isNew = hierarchy.makeCgroup(place.path, controllersOf(settings)) || place.taken;
      if (!isNew && isUsed(directory)) throw inUse(path);
      for (const setting of fitting) applySetting(directory, setting, options);
      if (owner !== undefined) delegate(directory, owner);
      return new ContainerCgroup(hierarchy, directory);
    } catch (error) {
      hierarchy.removeEmpty(directory);
      if (isKumiteError(error)) throw error;
      throw new KumiteError("cgroup/failed", `cgroup ${path}: ${messageOf(error)}`, { cause: error });
    }
  }

  /** It was made before there was a container. */
  get wasReady(): boolean {
    return this.directory === readyDirectory;
  }

  /**
   * Enables the controllers of these settings in all cgroups down to this one. A controller that cannot be enabled is
   * reported when its setting is written.
   */
  enableControllersOf(settings: readonly CgroupSetting[]): void {
    this.#hierarchy.makeCgroup(this.directory.slice(cgroupRoot.length), controllersOf(settings));
  }

  /** Sends SIGKILL to every process in this cgroup and below. */
  kill(): void {
    writeKernelFile(`${this.directory}/cgroup.kill`, "1");
  }

  /** Every process in this cgroup and below, by pid in the agent's pid namespace. */
  pids(): number[] {
    return pidsBelow(this.directory);
  }

  /** Resolves when this cgroup and those below have no processes; zombies do not count. */
  whenEmpty(signal: AbortSignal): Promise<void> {
    return new CgroupEvents(this.directory).whenEmpty(signal);
  }

  /**
   * Resolves when none of its processes runs. SIGKILL still ends frozen processes.
   * @throws KumiteError `aborted`, `timeout`; then the processes run again
   */
  async freeze(signal: AbortSignal): Promise<void> {
    try {
      this.#setFrozen(true);
      await new CgroupEvents(this.directory).whenFrozen(true, signal);
    } catch (error) {
      this.#setFrozen(false);
      throw error;
    }
  }

  /** Resolves when its processes may run again. */
  async thaw(signal: AbortSignal): Promise<void> {
    this.#setFrozen(false);
    await new CgroupEvents(this.directory).whenFrozen(false, signal);
  }

  #setFrozen(frozen: boolean): void {
    writeKernelFile(`${this.directory}/cgroup.freeze`, frozen ? "1" : "0");
  }

  /**
   * Removes this cgroup, those that the container made below it, and directories above that are empty then. Idempotent.
   * @throws SystemError EBUSY while processes are in it
   */
  remove(): void {
    if (this.#removed) return;
    removeTree(this.directory);
    this.#removed = true;
    closeQuietly(this.fd);
    this.#hierarchy.removed(this.directory);
    this.#hierarchy.removeEmpty(dirName(this.directory));
  }
}

/**
 * Lists the files that may be given away together with the directory (cgroups(7), delegation). Limits are not among
 * them and stay the agent's.
 */
const delegated = "/sys/kernel/cgroup/delegate";

function delegate(directory: string, owner: number): void {
  chown(directory, owner, -1);
  for (const file of readFileText(delegated).split("\n")) {
    if (file !== "") chownIfPresent(`${directory}/${file}`, owner);
  }
}

/** Not every cgroup has all of these files. */
function chownIfPresent(path: string, owner: number): void {
  try {
    chown(path, owner, -1);
  } catch (error) {
    if (!isSystemError(error, "ENOENT")) throw error;
  }
}

/** A directory that exists already may be left over, or made by the host. It is unused if nothing is in it. */
function isUsed(directory: string): boolean {
  return childrenOf(directory).length > 0 || pidsBelow(directory).length > 0;
}

function inUse(path: string): KumiteError {
  return new KumiteError("cgroup/failed", `cgroup ${path} is in use`, {
    hint: "give each container its own cgroupsPath",
    data: { path },
  });
}

function controllersOf(settings: readonly CgroupSetting[]): string[] {
  return onDemand.filter((name) => settings.some(({ file }) => file.startsWith(`${name}.`)));
}

function pidsBelow(directory: string): number[] {
  const own = readFileText(`${directory}/cgroup.procs`)
    .split("\n")
    .filter((line) => line !== "")
    .map(Number);
  return [...own, ...childrenOf(directory).flatMap(pidsBelow)];
}

function childrenOf(directory: string): string[] {
  return readdir(directory)
    .filter(({ type }) => type === DT_DIR)
    .map(({ name }) => `${directory}/${name}`);
}

/** Removing a cgroup removes its files. Cgroups below, which are rare, must be removed first. */
function removeTree(directory: string): void {
  if (rmdirIfPossible(directory)) return;
  try {
    for (const child of childrenOf(directory)) removeTree(child);
    rmdir(directory);
  } catch (error) {
    if (!isSystemError(error, "ENOENT")) throw error;
  }
}
