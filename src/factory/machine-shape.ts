/**
 * The shapes of templates and their clones. A clone has the very devices of its template; what differs is whose the memory
 * is, what is behind the devices, and whether a kernel boots or a state goes on.
 */
import { type Config, hypervisorConfigOf } from "../config/config.ts";
import type { Disk, MemoryBacking, SharedDirectory } from "../hypervisor/spec.ts";
import { type DiskRole, templateDisks } from "../storage/disk-names.ts";
import { sharedTag } from "../storage/guest-paths.ts";
import type { VmRequest } from "../vm/vm-spec.ts";
import { type MachineShape, memoryPath, statePath, type Template } from "./template-store.ts";

export interface CloneSetting extends Pick<VmRequest, "id" | "directory" | "cgroups"> {
  /** Directory that the guest sees, where the shape has one. */
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
export function placeholders({ lower, upper }: { readonly lower: string; readonly upper: string }): Disk[] {
  const disk = (id: DiskRole, path: string, readOnly: boolean): Disk => {
    // Files in memory have no way past the page cache, whatever the configuration says.
    return { id, serial: id, path, readOnly, bus: "virtio-blk", cache: { direct: false, noFlush: true } };
  };
  return [disk("lower", lower, true), disk("upper", upper, false)];
}

/** What a container of the shape will ask for: loading it once saves each clone a tenth of a second under emulation. */
const modules: Readonly<Record<MachineShape, readonly string[]>> = {
  directory: ["9pnet_virtio", "9p", "overlay"],
  layers: ["9pnet_virtio", "9p", "virtio_blk", "erofs", "ext4", "overlay"],
  disks: ["virtio_blk", "erofs", "ext4", "overlay"],
};

/** @param memory path of a file that the machine becomes the content of */
export function templateRequest(config: Config, shape: MachineShape, setting: CloneSetting, memory: string): VmRequest {
  return {
    ...common(config, shape, setting),
    memoryBacking: { kind: "file", path: memory, shared: true },
    kernelParameters: [`agent.ahead=${modules[shape].join(",")}`, ...(shape === "directory" ? [] : [aheadDisk])],
  };
}

/**
 * @param template without a version it is asked for
 * @param memory of its own, which has the template's content; default: the template's, a page for itself where it writes
 */
export function cloneRequest(
  config: Config,
  shape: MachineShape,
  setting: CloneSetting,
  template: Pick<Template, "keeper" | "memory" | "state"> & Partial<Template>,
  memory: MemoryBacking = { kind: "file", path: memoryPath(template), shared: false },
): VmRequest {
  // Whoever asks the guest's kernel which disk is which hears what it was told in the template.
  const disks = setting.disks.map((disk, index) => ({ ...disk, serial: templateDisks[index] ?? disk.id }));
  return {
    ...common(config, shape, { ...setting, disks }),
    agentVersion: template.agentVersion,
    memoryBacking: memory,
    restoreFrom: statePath(template),
    dialTimeoutMs: cloneDialTimeoutMs,
  };
}

function common(config: Config, shape: MachineShape, { shared, ...setting }: CloneSetting): VmRequest {
  switch (shape) {
    case "directory":
    case "layers":
      // What its container brings is there from the start.
      return { ...setting, sharedDirectories: [cloneShare(shared)], takesDevices: false, smallState: true };
    case "disks": {
      const { vcpus, memoryMiB } = hypervisorConfigOf(config);
      // As one that boots, is saved and is restored, whose requests say no more.
      const size = { vcpus, allVcpus: vcpus, memoryMiB, grows: false };
      return { ...setting, sharedDirectories: [], size };
    }
  }
}
