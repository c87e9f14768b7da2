/** The cgroup of one container: made with its limits before anything runs in it, emptied and removed after. */
import { DT_DIR, openDirectory, readdir, rmdir } from "../../sys/linux/directory.ts";
import { closeQuietly } from "../../sys/linux/file.ts";
import { readFileText, writeKernelFile } from "../../sys/linux/whole-file.ts";
import { isKumiteError, isSystemError, KumiteError, messageOf } from "../../util/errors.ts";
import { dirName } from "../../util/path.ts";
import type { CgroupPlan, CgroupSetting } from "../spec/plan.ts";
import { CgroupEvents } from "./cgroup-events.ts";
import { cgroupRoot, enableControllers, makeDirectory } from "./hierarchy.ts";

export interface CgroupOptions {
  /**
   * Called for a setting whose file is not there, because the kernel lacks the controller, or the host has it
   * elsewhere; may throw.
   */
  readonly onMissing: (setting: CgroupSetting) => void;
}

export class ContainerCgroup {
  /** Absolute path of its directory. */
  readonly directory: string;
  /** Descriptor of its directory, for births into it. */
  readonly fd: number;
  #removed = false;

  private constructor(directory: string) {
    this.directory = directory;
    this.fd = openDirectory(directory);
  }

  /** @throws KumiteError `cgroup/failed`; nothing is left then */
  static create(plan: CgroupPlan, options: CgroupOptions): ContainerCgroup {
    const directory = `${cgroupRoot}${plan.path}`;
    try {
      makePath(plan.path);
      const cgroup = new ContainerCgroup(directory);
      try {
        for (const setting of plan.settings) apply(directory, setting, options);
        return cgroup;
      } catch (error) {
        cgroup.remove();
        throw error;
      }
    } catch (error) {
      if (isKumiteError(error)) throw error;
      removeEmpty(directory);
      throw new KumiteError("cgroup/failed", `cgroup ${plan.path}: ${messageOf(error)}`, { cause: error });
    }
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
   * Removes it, what the container made below, and directories above that are empty then. Idempotent.
   * @throws SystemError EBUSY while processes are in it
   */
  remove(): void {
    if (this.#removed) return;
    removeTree(this.directory);
    this.#removed = true;
    closeQuietly(this.fd);
    removeEmpty(dirName(this.directory));
  }
}

/** Every level distributes its controllers to the next; the last one must be new, or empty. */
function makePath(path: string): void {
  let directory = cgroupRoot;
  let isNew = true;
  for (const part of path.split("/").filter((name) => name !== "")) {
    enableControllers(directory);
    directory = `${directory}/${part}`;
    isNew = makeDirectory(directory);
  }
  if (!isNew && readdir(directory).some(({ type }) => type === DT_DIR)) throw inUse(path);
  if (!isNew && pidsBelow(directory).length > 0) throw inUse(path);
}

function inUse(path: string): KumiteError {
  return new KumiteError("cgroup/failed", `cgroup ${path} is in use`, {
    hint: "give the container a cgroupsPath of its own",
    data: { path },
  });
}

function apply(directory: string, setting: CgroupSetting, { onMissing }: CgroupOptions): void {
  try {
    writeKernelFile(`${directory}/${setting.file}`, setting.value);
  } catch (error) {
    if (!isSystemError(error)) throw error;
    if (error.errno === "ENOENT") {
      onMissing(setting);
      return;
    }
    throw new KumiteError(
      "cgroup/failed",
      `setting ${setting.file} to ${JSON.stringify(setting.value)}: ${error.message}`,
      {
        cause: error,
      },
    );
  }
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

/** A cgroup's files go with it. */
function removeTree(directory: string): void {
  try {
    for (const child of childrenOf(directory)) removeTree(child);
    rmdir(directory);
  } catch (error) {
    if (!isSystemError(error, "ENOENT")) throw error;
  }
}

/** Up to the first that somebody else still uses. */
function removeEmpty(directory: string): void {
  for (let at = directory; at.startsWith(`${cgroupRoot}/`); at = dirName(at)) {
    try {
      rmdir(at);
    } catch (error) {
      if (!isSystemError(error)) throw error;
      if (error.errno !== "ENOENT") return;
    }
  }
}
