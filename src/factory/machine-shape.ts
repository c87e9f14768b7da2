/**
 * The shapes of templates and their clones. A clone has the very devices of its template; what differs is whose the memory
 * is, what is behind the devices, and whether a kernel boots or a state goes on.
 */
import type { Disk, SharedDirectory } from "../hypervisor/spec.ts";
import { sharedTag } from "../storage/guest-paths.ts";
import type { VmRequest } from "../vm/vm-spec.ts";
import { memoryPath, statePath, type Template, type TemplatePlaces } from "./template-store.ts";

/** What the guest has beside memory and processors. */
export const machineShapes = [
  /** The shared directory alone. */
  "directory",
  /** And two disks of one size for the layers of a root file system, the lower of them read-only. */
  "layers",
] as const;

export type MachineShape = (typeof machineShapes)[number];

export interface CloneSetting extends Pick<VmRequest, "id" | "directory" | "cgroups"> {
  /** Directory that the guest sees. */
  readonly shared: string;
  /** As many as the shape has, in its order. */
  readonly disks: readonly Disk[];
}

/** The file system of the upper layer, that the kernel is to have open: a clone's disk is a copy of what it was then. */
const aheadDisk = "agent.ahead_disk=serial:upper";

/** A clone answers in a tenth of a second, or in some when many start on a busy host; a cold start would be slower than this. */
const cloneDialTimeoutMs = 15_000;

/** By 9p: a daemon could not reach memory that is private to each clone. */
export function cloneShare(path: string): SharedDirectory {
  return { tag: sharedTag, path, by: "9p" };
}

/** Behind the lower one is nothing yet; on the upper one is a file system without files. */
export function placeholders(shape: MachineShape, { lower, upper }: TemplatePlaces): Disk[] {
  if (shape === "directory") return [];
  const disk = (id: string, path: string, readOnly: boolean): Disk => {
    return { id, serial: id, path, readOnly, bus: "virtio-blk" };
  };
  return [disk("lower", lower, true), disk("upper", upper, false)];
}

/** What a container of the shape will ask for: loading it once saves each clone a tenth of a second under emulation. */
const modules: Readonly<Record<MachineShape, readonly string[]>> = {
  directory: ["9pnet_virtio", "9p", "overlay"],
  layers: ["9pnet_virtio", "9p", "virtio_blk", "erofs", "ext4", "overlay"],
};

/** @param memory path of a file that the machine becomes the content of */
export function templateRequest(setting: CloneSetting, shape: MachineShape, memory: string): VmRequest {
  return {
    ...common(setting),
    memoryBacking: { kind: "file", path: memory, shared: true },
    kernelParameters: [`agent.ahead=${modules[shape].join(",")}`, ...(shape === "layers" ? [aheadDisk] : [])],
  };
}

/** @param template without a version it is asked for */
export function cloneRequest(
  setting: CloneSetting,
  template: Pick<Template, "keeper" | "memory" | "state"> & Partial<Template>,
): VmRequest {
  return {
    ...common(setting),
    agentVersion: template.agentVersion,
    memoryBacking: { kind: "file", path: memoryPath(template), shared: false },
    restoreFrom: statePath(template),
    dialTimeoutMs: cloneDialTimeoutMs,
  };
}

function common({ shared, ...setting }: CloneSetting): VmRequest {
  // What its container brings is there from the start.
  return { ...setting, sharedDirectories: [cloneShare(shared)], takesDevices: false };
}
