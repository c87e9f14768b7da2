/**
 * Disks that a container sees as devices: nodes and device rules in the specification have the host's device numbers,
 * which are replaced by the guest's. Loaded with the first request that has a disk.
 */
import { KumiteError } from "../../util/errors.ts";
import type { ModuleLoader } from "../modules/module-loader.ts";
import { anyAccess } from "../spec/device-access.ts";
import type { ContainerPlan, DevicePlan, DeviceRule } from "../spec/plan.ts";
import { awaitDisk, type Disk } from "./disks.ts";
import { diskDrivers } from "./drivers.ts";

/** As in the protocol's message. */
export interface DeviceRequest {
  readonly id: string;
  readonly type: string;
  readonly vmPath: string;
  /** Path of the node in the specification. */
  readonly containerPath: string;
  readonly options: readonly string[];
}

/** A disk that a mount shows has no node in the specification. This option asks only for its device rule. */
const mountedOption = "kumite.mounted";

/** @throws KumiteError `oci/unsupported`, `usage/invalid`; `storage/failed` for a disk that does not appear */
export async function withDisks(
  plan: ContainerPlan,
  requests: readonly DeviceRequest[],
  modules: ModuleLoader,
  signal: AbortSignal,
): Promise<ContainerPlan> {
  const devices = [...plan.devices];
  const translated: { readonly host: DevicePlan; readonly disk: Disk }[] = [];
  const added: DeviceRule[] = [];
  for (const request of requests) {
    if (!diskDrivers.has(request.type)) {
      throw new KumiteError("oci/unsupported", `devices of type ${JSON.stringify(request.type)} are not supported`);
    }
    const name = request.vmPath === "" ? request.id : request.vmPath;
    const disk = await awaitDisk(name, request.type, modules, signal);
    if (request.options.includes(mountedOption)) {
      added.push(ruleFor(disk));
      continue;
    }
    const index = devices.findIndex(({ path, kind }) => kind === "block" && path === request.containerPath);
    const host = devices[index];
    if (host === undefined) {
      throw new KumiteError("usage/invalid", `linux.devices has no block device ${request.containerPath}`);
    }
    devices[index] = { ...host, major: disk.major, minor: disk.minor };
    translated.push({ host, disk });
  }
  const rules = plan.cgroup.devices.map((rule) => {
    const match = translated.find(({ host }) => isAbout(rule, host));
    return match === undefined ? rule : { ...rule, major: match.disk.major, minor: match.disk.minor };
  });
  // Since the added rules only allow, their position among the others does not matter.
  return { ...plan, devices, cgroup: { ...plan.cgroup, devices: [...rules, ...added] } };
}

function isAbout(rule: DeviceRule, { major, minor }: DevicePlan): boolean {
  return rule.kind === "block" && rule.major === major && rule.minor === minor;
}

function ruleFor({ major, minor }: Disk): DeviceRule {
  return { allow: true, kind: "block", major, minor, access: anyAccess };
}
