/** Puts rules of devices on a cgroup: for everything in it and below, whatever rights it has. */
import { BPF_CGROUP_DEVICE, BPF_PROG_TYPE_CGROUP_DEVICE, loadProgram, setCgroupProgram } from "../../sys/linux/bpf.ts";
import { closeQuietly } from "../../sys/linux/file.ts";
import { isSystemError, KumiteError } from "../../util/errors.ts";
import type { DeviceRule } from "../spec/plan.ts";
import type { ContainerCgroup } from "./container-cgroup.ts";
import { deviceProgram } from "./device-program.ts";

/** What of an agent decides about what cannot be done. */
interface DeviceHost {
  readonly notices: { notApplied(container: string, phrases: readonly string[]): void };
  readonly missingController: "refuse" | "tell";
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
    const program = loadProgram(BPF_PROG_TYPE_CGROUP_DEVICE, BPF_CGROUP_DEVICE, deviceProgram(rules));
    try {
      setCgroupProgram(cgroup.fd, program, BPF_CGROUP_DEVICE);
    } finally {
      closeQuietly(program);
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
