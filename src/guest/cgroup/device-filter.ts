/** Puts rules of devices on a cgroup: for everything in it and below, whatever rights it has. */
import { BPF_CGROUP_DEVICE, BPF_PROG_TYPE_CGROUP_DEVICE, loadProgram, setCgroupProgram } from "../../sys/linux/bpf.ts";
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

  /** For ever. A kernel that refuses it will say so to the container. */
  prepare(limits: DeviceLimits): void {
    if (!this.#programs.has(limits.rules)) this.#programs.set(limits.rules, load(limits));
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
