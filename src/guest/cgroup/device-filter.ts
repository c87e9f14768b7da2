/** Puts rules of devices on a cgroup: for everything in it and below, whatever rights it has. */
import { BPF_CGROUP_DEVICE, BPF_PROG_TYPE_CGROUP_DEVICE, loadProgram, setCgroupProgram } from "../../sys/linux/bpf.ts";
import { openDirectory } from "../../sys/linux/directory.ts";
import { closeQuietly } from "../../sys/linux/file.ts";
import { isSystemError, KumiteError } from "../../util/errors.ts";
import type { ContainerCgroup } from "./container-cgroup.ts";

/** What of an agent decides about what cannot be done, and what it has done before. */
interface DeviceHost {
  readonly deviceFilters: DeviceFilters;
  readonly notices: { notApplied(container: string, phrases: readonly string[]): void };
  readonly missingController: "refuse" | "tell";
}

/** Rules of devices, and eBPF that says the same. */
export interface DeviceLimits {
  /** The same for the same rules. */
  readonly rules: string;
  readonly program: Uint8Array;
}

/** Programs that are there before a container asks for them: having one verified is most of what it costs. */
export class DeviceFilters {
  readonly #programs = new Map<string, number>();
  /** Of a cgroup that has one already, with nobody in it. */
  #ahead: { readonly directory: string; readonly rules: string } | undefined;

  /** For ever. A kernel that refuses it will say so to the container. */
  prepare(limits: DeviceLimits): void {
    if (!this.#programs.has(limits.rules)) this.#programs.set(limits.rules, load(limits));
  }

  /** Puts one that is prepared on a cgroup that a container will get. */
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

  /** Whether that has been done for these rules. Asked once for each cgroup: what is done next is the asker's. */
  takeAhead(directory: string, { rules }: DeviceLimits): boolean {
    const ahead = this.#ahead;
    if (ahead?.directory !== directory) return false;
    this.#ahead = undefined;
    return ahead.rules === rules;
  }

  /** Of exactly these rules. */
  prepared({ rules }: DeviceLimits): number | undefined {
    return this.#programs.get(rules);
  }
}

function load({ program }: DeviceLimits): number {
  return loadProgram(BPF_PROG_TYPE_CGROUP_DEVICE, BPF_CGROUP_DEVICE, program);
}

/**
 * Replaces what was there, without a moment in between.
 * @throws KumiteError `cgroup/failed`; under the process driver, on a host that keeps this to itself, it is only told
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
      host.notices.notApplied(id, [`rules of devices (${error.message})`]);
      return;
    }
    throw new KumiteError("cgroup/failed", `limiting devices: ${error.message}`, { cause: error });
  }
}
