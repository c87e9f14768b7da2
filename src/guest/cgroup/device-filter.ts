/** Attaches device rules to a cgroup. They hold for every process in it and below, whatever its privileges. */
import { BPF_CGROUP_DEVICE, BPF_PROG_TYPE_CGROUP_DEVICE, loadProgram, setCgroupProgram } from "../../sys/linux/bpf.ts";
import { openDirectory } from "../../sys/linux/directory.ts";
import { closeQuietly } from "../../sys/linux/file.ts";
import { isSystemError, KumiteError } from "../../util/errors.ts";
import type { ContainerCgroup } from "./container-cgroup.ts";

/** The parts of the agent that decide about rules that cannot be applied, and the programs it has prepared. */
interface DeviceHost {
  readonly deviceFilters: DeviceFilters;
  readonly notices: { notApplied(container: string, phrases: readonly string[]): void };
  readonly missingController: "refuse" | "tell";
}

/** Device rules and the eBPF program that implements them. */
export interface DeviceLimits {
  /** Equal for equal rules. */
  readonly rules: string;
  readonly program: Uint8Array;
}

/** Programs that are loaded before a container needs them: the kernel's verifier takes most of the time. */
export class DeviceFilters {
  readonly #programs = new Map<string, number>();
  /** A cgroup that has its program attached before any process is in it. */
  #ahead: { readonly directory: string; readonly rules: string } | undefined;

  /** Loads the program and keeps it for good. If the kernel refuses it, the error is thrown. */
  prepare(limits: DeviceLimits): void {
    if (!this.#programs.has(limits.rules)) this.#programs.set(limits.rules, load(limits));
  }

  /** Attaches a prepared program to a cgroup that a container will get. */
  limitAhead(directory: string, limits: DeviceLimits): void {
    const program = this.prepared(limits);
    if (program === undefined) return;
    const fd = openDirectory(directory);
    try {
      setCgroupProgram(fd, program, BPF_CGROUP_DEVICE);
      this.#ahead = { directory, rules: limits.rules };
    } finally {
      closeQuietly(fd);
    }
  }

  /**
   * Whether `limitAhead` has attached these rules to the cgroup. Can be asked only once for each cgroup, because the
   * caller may replace the rules afterwards.
   */
  takeAhead(directory: string, { rules }: DeviceLimits): boolean {
    const ahead = this.#ahead;
    if (ahead?.directory !== directory) return false;
    this.#ahead = undefined;
    return ahead.rules === rules;
  }

  /** The descriptor of the program prepared for exactly these rules. */
  prepared({ rules }: DeviceLimits): number | undefined {
    return this.#programs.get(rules);
  }
}

function load({ program }: DeviceLimits): number {
  return loadProgram(BPF_PROG_TYPE_CGROUP_DEVICE, BPF_CGROUP_DEVICE, program);
}

/**
 * Replaces the program that was attached before. There is no moment without rules.
 * @throws KumiteError `cgroup/failed`; under the process driver, on a host that does not permit this, there is only a
 * notice
 */
export function limitDevices(host: DeviceHost, id: string, cgroup: ContainerCgroup, limits: DeviceLimits): void {
  if (host.deviceFilters.takeAhead(cgroup.directory, limits)) return;
  try {
    const prepared = host.deviceFilters.prepared(limits);
    const fd = prepared ?? load(limits);
    try {
      setCgroupProgram(cgroup.fd, fd, BPF_CGROUP_DEVICE);
    } finally {
      if (prepared === undefined) closeQuietly(fd);
    }
  } catch (error) {
    if (!isSystemError(error)) throw error;
    if (host.missingController === "tell") {
      host.notices.notApplied(id, [`device rules (${error.message})`]);
      return;
    }
    throw new KumiteError("cgroup/failed", `limiting devices: ${error.message}`, { cause: error });
  }
}
