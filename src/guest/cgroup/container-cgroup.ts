/** The cgroup of one container: made with its limits before anything runs in it, emptied and removed after. */
import { chown, DT_DIR, openDirectory, readdir, rmdir, rmdirIfPossible } from "../../sys/linux/directory.ts";
import { closeQuietly } from "../../sys/linux/file.ts";
import { readFileText, writeKernelFile } from "../../sys/linux/whole-file.ts";
import { isKumiteError, isSystemError, KumiteError, messageOf } from "../../util/errors.ts";
import { dirName } from "../../util/path.ts";
import type { CgroupPlan, CgroupSetting } from "../spec/plan.ts";
import { applySetting, type SettingOptions } from "./apply-setting.ts";
import { CgroupEvents } from "./cgroup-events.ts";
import { fitToMachine } from "./cpuset.ts";
import { cgroupRoot, type Hierarchy } from "./hierarchy.ts";

/** Controllers that not every cgroup has, by the beginning of their files' names. */
const onDemand: readonly string[] = ["cpuset", "hugetlb", "io", "misc", "rdma"];

export class ContainerCgroup {
  /** Absolute path of its directory. */
  readonly directory: string;
  /** Descriptor of its directory, for births into it. */
  readonly fd: number;
  readonly #hierarchy: Hierarchy;
  #removed = false;

  private constructor(hierarchy: Hierarchy, directory: string) {
    this.#hierarchy = hierarchy;
    this.directory = directory;
    this.fd = openDirectory(directory);
  }

  /** @throws KumiteError `cgroup/failed`; nothing is left then */
  static create(
    hierarchy: Hierarchy,
    { path, settings, owner }: Omit<CgroupPlan, "devices">,
    options: SettingOptions,
  ): ContainerCgroup {
    // Its own tree is not empty.
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

  /** Distributes the controllers of these settings down to it. What cannot be had is missing where it is set. */
  enableControllersOf(settings: readonly CgroupSetting[]): void {
    this.#hierarchy.makeCgroup(this.directory.slice(cgroupRoot.length), controllersOf(settings));
  }

  /** SIGKILL to every process in it and below. */
  kill(): void {
    writeKernelFile(`${this.directory}/cgroup.kill`, "1");
  }

  /** Of every process in it and below, in the agent's pid namespace. */
  pids(): number[] {
    return pidsBelow(this.directory);
  }

  /** Resolves when no process is in it or below; those that are only waiting to be reaped do not count. */
  whenEmpty(signal: AbortSignal): Promise<void> {
    return new CgroupEvents(this.directory).whenEmpty(signal);
  }

  /**
   * Resolves when none of its processes runs; SIGKILL ends them all the same.
   * @throws KumiteError `aborted`, `timeout`; they run again then
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
   * Removes it, what the container made below, and directories above that are empty then. Idempotent.
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

/** What the kernel says that may be somebody's with the directory. Limits are not: they stay the agent's. */
const delegated = "/sys/kernel/cgroup/delegate";

function delegate(directory: string, owner: number): void {
  chown(directory, owner, -1);
  for (const file of readFileText(delegated).split("\n")) {
    if (file !== "") chownIfPresent(`${directory}/${file}`, owner);
  }
}

/** Not every cgroup has all of them. */
function chownIfPresent(path: string, owner: number): void {
  try {
    chown(path, owner, -1);
  } catch (error) {
    if (!isSystemError(error, "ENOENT")) throw error;
  }
}

/** One that is there already may be left over, or of a host that made it: then nothing is in it. */
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

/** A cgroup's files go with it. Few have others below them, which have to go first. */
function removeTree(directory: string): void {
  if (rmdirIfPossible(directory)) return;
  try {
    for (const child of childrenOf(directory)) removeTree(child);
    rmdir(directory);
  } catch (error) {
    if (!isSystemError(error, "ENOENT")) throw error;
  }
}
