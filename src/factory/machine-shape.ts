/**
 * The requests for templates and their clones, by shape. A clone has exactly the devices of its template. It differs in
 * where the memory is, in the files behind the devices, and in that it resumes a state instead of booting a kernel.
 */
import { type Config, hypervisorConfigOf } from "../config/config.ts";
import type { Disk, MemoryBacking, SharedDirectory } from "../hypervisor/spec.ts";
import { type DiskRole, templateDisks } from "../storage/disk-names.ts";
import { sharedTag } from "../storage/guest-paths.ts";
import type { VmRequest } from "../vm/vm-spec.ts";
import { type MachineShape, memoryPath, statePath, type Template } from "./template-store.ts";

export interface CloneSetting extends Pick<VmRequest, "id" | "directory" | "cgroups"> {
  /** The directory that the guest sees, if the shape has one. */
  readonly shared: string;
  /** As many as the shape has, in its order. */
  readonly disks: readonly Disk[];
  /** Default: nothing is sent to the agent before the session is resumed. */
  readonly firstRequest?: NonNullable<VmRequest["firstRequest"]>;
}

/**
 * The agent of the template mounts these layers ahead. A clone's upper disk is a copy of the template's at that moment.
 */
const aheadLayers = `agent.ahead_layers=${templateDisks.map((role) => `serial:${role}`).join(",")}`;

/**
 * A clone answers within a tenth of a second, or a few if many start on a busy host, where a boot would take even
 * longer.
 */
const cloneDialTimeoutMs = 15_000;

/** Uses 9p, because virtiofsd could not access memory that is private to each clone. */
export function cloneShare(path: string): SharedDirectory {
  return { tag: sharedTag, path, by: "9p" };
}

/** The lower disk has no content yet; the upper one has an empty file system. */
export function placeholders({ lower, upper }: { readonly lower: string; readonly upper: string }): Disk[] {
  const disk = (id: DiskRole, path: string, readOnly: boolean): Disk => {
    // Files in memory cannot bypass the page cache, whatever the configuration says.
    return { id, serial: id, path, readOnly, bus: "virtio-blk", cache: { direct: false, noFlush: true } };
  };
  return [disk("lower", lower, true), disk("upper", upper, false)];
}

/**
 * Drivers that every container of the shape needs. Loading them in the template saves each clone a tenth of a second
 * under emulation.
 */
const modules: Readonly<Record<MachineShape, readonly string[]>> = {
  directory: ["9pnet_virtio", "9p", "overlay"],
  layers: ["9pnet_virtio", "9p", "virtio_blk", "erofs", "ext4", "overlay"],
  disks: ["virtio_blk", "erofs", "ext4", "overlay"],
};

/** @param memory path of the file that becomes the VM's memory */
export function templateRequest(config: Config, shape: MachineShape, setting: CloneSetting, memory: string): VmRequest {
  return {
    ...common(config, shape, setting),
    memoryBacking: { kind: "file", path: memory, shared: true },
    kernelParameters: [`agent.ahead=${modules[shape].join(",")}`, ...(shape === "directory" ? [] : [aheadLayers])],
  };
}

/**
 * @param template without `agentVersion` the agent is asked for it
 * @param memory private memory with the template's content; default: the template's memory, copied on write
 */
export function cloneRequest(
  config: Config,
  shape: MachineShape,
  setting: CloneSetting,
  template: Pick<Template, "keeper" | "memory" | "state" | "session"> & Partial<Template>,
  memory: MemoryBacking = { kind: "file", path: memoryPath(template), shared: false },
): VmRequest {
  // The guest's kernel keeps the serial numbers that the disks had in the template.
  const disks = setting.disks.map((disk, index) => ({ ...disk, serial: templateDisks[index] ?? disk.id }));
  return {
    ...common(config, shape, { ...setting, disks }),
    agentVersion: template.agentVersion,
    agentSession: template.session,
    memoryBacking: memory,
    restoreFrom: statePath(template),
    dialTimeoutMs: cloneDialTimeoutMs,
  };
}

function common(config: Config, shape: MachineShape, { shared, ...setting }: CloneSetting): VmRequest {
  switch (shape) {
    case "directory":
    case "layers":
      // Everything that the container needs is there from the start.
      return { ...setting, sharedDirectories: [cloneShare(shared)], takesDevices: false, smallState: true };
    case "disks": {
      const { vcpus, memoryMiB } = hypervisorConfigOf(config);
      // Like the requests for a VM that boots, is saved and is restored.
      const size = { vcpus, allVcpus: vcpus, memoryMiB, grows: false };
      return { ...setting, sharedDirectories: [], size };
    }
  }
}
