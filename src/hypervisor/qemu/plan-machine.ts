/** Plans a VM for QEMU from a specification and the driver's options. Pure: files were checked before. */
import type { OpenedDescriptor } from "../../sys/os.ts";
import type { Disk, HotplugPorts, MemoryBacking, SharedDirectory, VmSpec } from "../spec.ts";
import {
  type Accelerator,
  type Boot,
  bridgeId,
  type Device,
  type DiskFacts,
  type DiskImage,
  type Firmware,
  firmwareForBridges,
  type MachineType,
  type QemuMachine,
  rootBusOf,
  rootPortId,
  scsiControllerId,
} from "./machine.ts";
import type { QemuDriverOptions } from "./options.ts";

/** Name of the port that the agent opens in the guest. */
const agentPort = "agent.channel.0";
const serialId = "serial";
/** The first slots belong to the board. */
const firstBridgeAddress = 2;

/**
 * Descriptors of the QEMU process: streams whose other ends we hold, and files that it inherits. They are followed by
 * those of network interfaces, the sockets of virtiofsd, and the files of `withFilesHanded`.
 */
export const qemuFd = { monitor: 3, agent: 4, console: 5, memory: 6, state: 7, extraMonitor: 8, first: 9 } as const;

/** Facts about the host and the files, determined before. */
export interface MachineFacts {
  readonly accelerator: Accelerator;
  readonly boot: Boot;
  /** The memory's path is a directory, in which QEMU makes a file; if false, the file is passed as a descriptor. */
  readonly memoryIsDirectory: boolean;
  /** The host is itself a VM. */
  readonly nested: boolean;
  /** By the image's path. */
  readonly files: ReadonlyMap<string, ImageFile>;
}

export interface ImageFile {
  readonly isDevice: boolean;
  readonly sizeBytes: number;
}

export function planMachine(spec: VmSpec, options: QemuDriverOptions, facts: MachineFacts): QemuMachine {
  const { maxVcpus } = spec;
  const type = options.machineType ?? "q35";
  const disks = allDisks(spec).map((disk) => ({
    ...disk,
    ownThread: disk.ownThread === true && hasThreads(disk, type),
  }));
  const shares = spec.sharedDirectories.map((_, index) => shareOf(spec, index, options));
  const backing =
    backingOf(spec, facts) ?? (shares.some(({ daemon }) => daemon !== undefined) ? sharedMemory : undefined);
  const ports = spec.hotplugPorts ?? options.hotplugPorts ?? { bridges: 0, rootPorts: 0 };
  const firmware = options.firmware ?? (ports.bridges > 0 ? romForBridges : undefined);
  return {
    name: `sandbox-${spec.id}`,
    type,
    ...(options.machineProperties === undefined ? {} : { typeProperties: options.machineProperties }),
    accelerator: facts.accelerator,
    ...(options.cpuFeatures === undefined ? {} : { cpuFeatures: options.cpuFeatures }),
    vcpus: spec.vcpus,
    ...(maxVcpus === undefined ? {} : { maxVcpus }),
    memory: {
      sizeMiB: spec.memoryMiB,
      ...(backing === undefined ? {} : { backing }),
      ...(spec.memoryGrowth === undefined ? {} : { growth: spec.memoryGrowth }),
      locked: spec.memoryLocked === true,
    },
    boot: facts.boot,
    ...(firmware === undefined ? {} : { firmware }),
    legacyOnly:
      spec.legacyDevices === true || (facts.nested && facts.accelerator === "kvm" && options.nestingChecks !== false),
    throughIommu: options.throughIommu === true,
    pausesOnPanic: options.memoryDump !== undefined,
    monitor: qemuFd.monitor,
    ...(options.extraMonitor === undefined
      ? {}
      : { extraMonitor: { fd: qemuFd.extraMonitor, protocol: options.extraMonitor } }),
    startsPaused: spec.startsPaused === true,
    chardevs: [
      { id: "console", fd: qemuFd.console },
      { id: "agent", fd: qemuFd.agent },
      ...shares.flatMap(({ daemon }) => (daemon === undefined ? [] : [{ id: daemon.id, fd: daemon.fd }])),
    ],
    files: shares.flatMap(({ daemon }) => (daemon === undefined ? [] : [{ fd: daemon.fd, descriptor: daemon.socket }])),
    threads: [...new Set(disks.filter(({ ownThread }) => ownThread).map(threadOf))],
    images: disks.flatMap((disk) => (disk.bus === "nvdimm" ? [] : [imageOf(disk, facts)])),
    devices: [
      ...(spec.iommu === true ? [{ kind: "iommu" } as const] : []),
      ...portsOf(ports),
      { kind: "serial", chardev: "console" },
      { kind: "virtio-serial", id: serialId, ports: 2 },
      { kind: "port", id: "agent-port", bus: serialId, chardev: "agent", name: agentPort },
      ...diskDevices(disks, spec.scsiController === true, facts),
      ...shares.map(({ device }) => device),
      ...networksOf(spec),
      ...(spec.entropySource === undefined
        ? []
        : [{ kind: "random", id: "rng0", source: spec.entropySource } as const]),
      ...(options.memoryDump === undefined ? [] : [{ kind: "panic" } as const]),
      ...(spec.reclaimsFreeMemory === true ? [{ kind: "balloon", id: "balloon0" } as const] : []),
    ],
  };
}

function backingOf({ memoryBacking }: VmSpec, { memoryIsDirectory }: MachineFacts): MemoryBacking | undefined {
  if (memoryBacking?.kind !== "file" || memoryIsDirectory) return memoryBacking;
  // QEMU opens the file again and must be able to write. A file that must not be written is sealed.
  return { ...memoryBacking, path: `/proc/self/fd/${qemuFd.memory}` };
}

/**
 * The small firmware reserves no memory windows behind bridges, and the guest's kernel would have none left for devices
 * there.
 */
const romForBridges: Firmware = { kind: "rom", path: firmwareForBridges };

/** A daemon in another process needs memory that it can map. */
const sharedMemory: MemoryBacking = { kind: "memfd", shared: true };

/** The guest's image is its first disk: `/dev/vda` or `/dev/pmem0`. */
export function allDisks({ guest, disks = [] }: VmSpec): readonly Disk[] {
  if (guest.image === undefined) return disks;
  const image: Disk = { id: "image", path: guest.image.path, bus: guest.image.bus ?? "virtio-blk", readOnly: true };
  return [image, ...disks];
}

/** Path of a virtiofsd's socket. */
export function daemonSocket(spec: VmSpec, index: number): string {
  return `${spec.directory}/fs${index}.sock`;
}

interface Daemon {
  readonly id: string;
  readonly fd: number;
  readonly socket: OpenedDescriptor;
}

interface Share {
  readonly device: Device;
  readonly daemon: Daemon | undefined;
}

function shareOf(spec: VmSpec, index: number, options: QemuDriverOptions): Share {
  const { tag, path, by, readOnly } = spec.sharedDirectories[index] as SharedDirectory;
  if (by === "9p") {
    return { device: { kind: "9p", id: `share${index}`, tag, path, readOnly: readOnly === true }, daemon: undefined };
  }
  const id = `fs${index}`;
  const socket = { kind: "connect", path: daemonSocket(spec, index) } as const;
  const fd = qemuFd.first + inheritedFds(spec).length + index;
  const { queueSize } = options.virtioFs ?? {};
  return { device: { kind: "virtio-fs", chardev: id, tag, queueSize }, daemon: { id, fd, socket } };
}

/** After the descriptors of network interfaces and shared directories. */
export function firstFileFd(spec: VmSpec): number {
  return qemuFd.first + inheritedFds(spec).length + spec.sharedDirectories.length;
}

function portsOf({ bridges, rootPorts }: HotplugPorts): Device[] {
  // Chassis numbers are unique on a board.
  return [
    ...Array.from({ length: bridges }, (_, index) => {
      const address = firstBridgeAddress + index;
      return { kind: "bridge", id: bridgeId(index), chassis: 1 + index, address } as const;
    }),
    ...Array.from({ length: rootPorts }, (_, index) => {
      return { kind: "root-port", id: rootPortId(index), chassis: 1 + bridges + index } as const;
    }),
  ];
}

/** I/O threads need PCI: on virtio-mmio only the vCPU's thread is notified of requests. */
function hasThreads({ bus }: Disk, type: MachineType): boolean {
  return bus !== "nvdimm" && rootBusOf(type) !== undefined;
}

/** The disks of a SCSI bus share the thread of their controller. */
const threadOf = ({ id, bus }: Disk): string => (bus === "virtio-scsi" ? scsiThread : `thread-${id}`);
const scsiThread = "thread-scsi";

function imageOf({ id, path, readOnly, cache, aio }: Disk, { files }: MachineFacts): DiskImage {
  return {
    id: `image-${id}`,
    path,
    isDevice: files.get(path)?.isDevice === true,
    readOnly,
    cache: cache ?? { direct: false, noFlush: false },
    aio: aio ?? "threads",
  };
}

/** Whether the VM has a SCSI bus. */
export function hasScsi(spec: VmSpec): boolean {
  return spec.scsiController === true || allDisks(spec).some(({ bus }) => bus === "virtio-scsi");
}

function diskDevices(disks: readonly Disk[], scsiController: boolean, facts: MachineFacts): Device[] {
  const scsi = disks.filter(({ bus }) => bus === "virtio-scsi");
  const thread = scsi.some(({ ownThread }) => ownThread === true) ? scsiThread : undefined;
  return [
    ...(scsiController || scsi.length > 0 ? [{ kind: "scsi-controller", id: scsiControllerId, thread } as const] : []),
    ...disks.map((disk) => diskDevice(disk, scsi.indexOf(disk), facts)),
  ];
}

/** `unit` is the number on the SCSI bus, for disks on that bus. */
function diskDevice(disk: Disk, unit: number, { files }: MachineFacts): Device {
  switch (disk.bus) {
    case "virtio-blk":
      return { kind: "virtio-blk", ...diskFacts(disk), thread: disk.ownThread === true ? threadOf(disk) : undefined };
    case "virtio-scsi":
      return { kind: "scsi-disk", controller: scsiControllerId, unit, ...diskFacts(disk) };
    case "nvdimm": {
      const { id, path, readOnly } = disk;
      return { kind: "nvdimm", id: `nvdimm-${id}`, path, sizeBytes: files.get(path)?.sizeBytes ?? 0, readOnly };
    }
  }
}

function diskFacts({ id, serial, exclusive, logicalSectorBytes, physicalSectorBytes }: Disk): DiskFacts {
  return { id: `disk-${id}`, image: `image-${id}`, serial, exclusive, logicalSectorBytes, physicalSectorBytes };
}

function networksOf({ networks = [] }: VmSpec): Device[] {
  let next: number = qemuFd.first;
  const numbered = (fds: readonly number[]): number[] => fds.map(() => next++);
  return networks.map(({ id, macAddress, tapFds, vhostFds }) => {
    return { kind: "network", id, macAddress, tapFds: numbered(tapFds), vhostFds: numbered(vhostFds) } as const;
  });
}

/** Our descriptors for those in `networksOf`, in the same order. */
export function inheritedFds({ networks = [] }: VmSpec): readonly number[] {
  return networks.flatMap(({ tapFds, vhostFds }) => [...tapFds, ...vhostFds]);
}
