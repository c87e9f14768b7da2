/** Puts rules of devices on a cgroup: for everything in it and below, whatever rights it has. */
import { BPF_CGROUP_DEVICE, BPF_PROG_TYPE_CGROUP_DEVICE, loadProgram, setCgroupProgram } from "../../sys/linux/bpf.ts";
import { closeQuietly } from "../../sys/linux/file.ts";
import { isSystemError, KumiteError } from "../../util/errors.ts";
import type { DeviceRule } from "../spec/plan.ts";
import type { ContainerCgroup } from "./container-cgroup.ts";
import { deviceProgram } from "./device-program.ts";

/** What of an agent decides about what cannot be done, and what it has done before. */
interface DeviceHost {
  readonly deviceFilters: DeviceFilters;
  readonly notices: { notApplied(container: string, phrases: readonly string[]): void };
  readonly missingController: "refuse" | "tell";
}

/** Programs that are there before a container asks for them: having one verified is most of what it costs. */
export class DeviceFilters {
  readonly #programs = new Map<string, number>();

  /** For ever. A kernel that refuses it will say so to the container. */
  prepare(rules: readonly DeviceRule[]): void {
    const key = JSON.stringify(rules);
    if (!this.#programs.has(key)) this.#programs.set(key, load(rules));
  }

  /** Of exactly these rules. */
  prepared(rules: readonly DeviceRule[]): number | undefined {
    return this.#programs.size === 0 ? undefined : this.#programs.get(JSON.stringify(rules));
  }
}

function load(rules: readonly DeviceRule[]): number {
  return loadProgram(BPF_PROG_TYPE_CGROUP_DEVICE, BPF_CGROUP_DEVICE, deviceProgram(rules));
}

/**
 * Replaces what was there, without a moment in between.
 * @throws KumiteError `cgroup/failed`; under the process driver, on a host that keeps this to itself, it is only told
 */
export function limitDevices(
  host: DeviceHost,
  id: string,
  cgroup: ContainerCgroup,
  rules: readonly DeviceRule[],
): void {
  try {
    const prepared = host.deviceFilters.prepared(rules);
    const program = prepared ?? load(rules);
    try {
      setCgroupProgram(cgroup.fd, program, BPF_CGROUP_DEVICE);
    } finally {
      if (prepared === undefined) closeQuietly(program);
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
