/** The capabilities of each board, and the check that refuses unsupported specifications before anything is made. */
import { KumiteError } from "../../util/errors.ts";
import type { DriverCapabilities } from "../driver.ts";
import type { Disk, SharedDirectory, VmSpec } from "../spec.ts";
import type { MachineType } from "./machine.ts";
import type { QemuDriverOptions } from "./options.ts";

export function capabilitiesOf(type: MachineType): DriverCapabilities {
  const common = { isolates: true, ownClock: true, ownKernel: true, sharing: ["virtio-fs", "9p"] } as const;
  switch (type) {
    case "q35":
    case "pc":
      return {
        ...common,
        disks: ["virtio-blk", "virtio-scsi", "nvdimm"],
        hotplug: ["vcpu", "memory", "disk", "network"],
        snapshots: true,
      };
    case "microvm":
      // There are no ACPI tables for DIMMs and no hotplug bus. A second clone of a saved VM hangs.
      return { ...common, disks: ["virtio-blk", "virtio-scsi"], hotplug: [], snapshots: false };
  }
}

/** @throws KumiteError `hypervisor/unsupported` naming the field and the remedy */
export function refuseUnsupported(spec: VmSpec, options: QemuDriverOptions): void {
  const type = options.machineType ?? "q35";
  const fault = faultOf(spec, type) ?? firmwareFault(options, type);
  if (fault === undefined) return;
  throw new KumiteError("hypervisor/unsupported", `sandbox ${spec.id}: ${fault.what}`, {
    phase: "hypervisor.start",
    hint: fault.hint,
    data: { machineType: type },
  });
}

interface Fault {
  readonly what: string;
  readonly hint: string;
}

function faultOf(spec: VmSpec, type: MachineType): Fault | undefined {
  const { guest, disks = [] } = spec;
  if ((guest.image === undefined) === (guest.initrd === undefined)) {
    const what =
      guest.image === undefined ? "neither an image nor an initrd is given" : "both an image and an initrd are given";
    return { what, hint: "set exactly one of image and initrd" };
  }
  if (spec.restoreFrom !== undefined && !capabilitiesOf(type).snapshots) {
    return { what: `${type} cannot start from the saved state of another VM`, hint: useOther };
  }
  const image = guest.image?.bus ?? "virtio-blk";
  return (
    growthFault(spec, type) ??
    placeFault(spec, type) ??
    busFault(image, type) ??
    first(disks, (disk) => busFault(disk.bus, type) ?? diskFault(disk)) ??
    first(spec.sharedDirectories, (directory) => shareFault(directory, spec))
  );
}

function growthFault({ vcpus, maxVcpus = vcpus, memoryGrowth }: VmSpec, type: MachineType): Fault | undefined {
  const { hotplug } = capabilitiesOf(type);
  if (maxVcpus > vcpus && !hotplug.includes("vcpu")) {
    return { what: `vCPUs cannot be added to ${type}, but up to ${maxVcpus} are asked for`, hint: useOther };
  }
  if (memoryGrowth !== undefined && !hotplug.includes("memory")) {
    return { what: `memory cannot be added to ${type}`, hint: useOther };
  }
  return undefined;
}

function placeFault({ hotplugPorts, iommu }: VmSpec, type: MachineType): Fault | undefined {
  const { bridges, rootPorts } = hotplugPorts ?? { bridges: 0, rootPorts: 0 };
  if (rootPorts > 0 && type !== "q35") {
    return { what: `${type} has no PCI Express root ports`, hint: 'use bridges, or machine_type = "q35"' };
  }
  if (bridges > 0 && type === "microvm") return { what: "microvm has no PCI bridges", hint: useOther };
  if (iommu === true && type !== "q35") {
    return { what: `${type} has no IOMMU`, hint: 'set machine_type = "q35", or enable_iommu = false' };
  }
  return undefined;
}

function firmwareFault({ firmware }: QemuDriverOptions, type: MachineType): Fault | undefined {
  if (firmware?.kind !== "flash" || type !== "microvm") return undefined;
  return { what: "microvm has no flash memory", hint: "set firmware instead of pflashes, or another machine_type" };
}

function busFault(bus: Disk["bus"], type: MachineType): Fault | undefined {
  if (capabilitiesOf(type).disks.includes(bus)) return undefined;
  return { what: `${type} has no ${bus}`, hint: "use virtio-blk, or another machine_type" };
}

function diskFault({ id, aio, cache, serial = "" }: Disk): Fault | undefined {
  if (!/^[A-Za-z0-9-]{1,40}$/.test(id)) {
    return { what: `${JSON.stringify(id)} is not a valid disk id`, hint: "use at most 40 letters, digits and -" };
  }
  if (aio === "native" && cache?.direct !== true) {
    const what = `disk ${id}: native AIO needs direct I/O, which bypasses the host's page cache`;
    return { what, hint: "set block_device_cache_set and block_device_cache_direct, or another block_device_aio" };
  }
  if (serial.length > maxSerialLength) {
    return {
      what: `disk ${id}: the serial ${serial} is longer than ${maxSerialLength} characters`,
      hint: "shorten it",
    };
  }
  return undefined;
}

/** Limit of virtio-blk. */
const maxSerialLength = 20;

function shareFault({ tag, by = "virtio-fs", readOnly }: SharedDirectory, spec: VmSpec): Fault | undefined {
  switch (by) {
    case "9p":
      return undefined;
    case "bind":
      return {
        what: `directory ${tag}: a VM cannot have a bind mount of the host`,
        hint: "share it by virtio-fs or 9p",
      };
    case "virtio-fs": {
      const backing = spec.memoryBacking;
      if (backing !== undefined && (backing.kind === "ram" || !backing.shared)) {
        const what = `directory ${tag}: virtio-fs needs memory that its daemon can map`;
        return { what, hint: "share the directory by 9p, or back the VM with shared memory" };
      }
      return readOnly === true
        ? {
            what: `directory ${tag}: virtio-fs has no read-only directories`,
            hint: "share a read-only bind mount of the directory",
          }
        : undefined;
    }
  }
}

const useOther = 'set machine_type = "q35" or "pc"';

function first<T>(items: readonly T[], check: (item: T) => Fault | undefined): Fault | undefined {
  for (const item of items) {
    const fault = check(item);
    if (fault !== undefined) return fault;
  }
  return undefined;
}
