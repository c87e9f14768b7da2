/**
 * A VM for QEMU as data: its parts, not their syntax on the command line. Descriptor numbers are those of the QEMU
 * process.
 */
import type { OpenedDescriptor } from "../../sys/os.ts";
import type { DiskCache, MemoryBacking, MemoryGrowth } from "../spec.ts";
import type { Properties } from "./option.ts";

export type Accelerator = "kvm" | "tcg";

/** Boards. `microvm` has no PCI: its devices are on virtio-mmio, and it supports no hotplug. */
export const machineTypes = ["q35", "pc", "microvm"] as const;
export type MachineType = (typeof machineTypes)[number];

/** Names of firmware that QEMU finds itself. */
export const smallFirmware = "qboot.rom";
export const firmwareForBridges = "bios-256k.bin";

export interface QemuMachine {
  /** Shown in the process list. */
  readonly name: string;
  readonly type: MachineType;
  /** Further properties of the board, which override ours; default none. */
  readonly typeProperties?: Properties;
  readonly accelerator: Accelerator;
  /** Further properties of the CPU model, which override ours; default none. */
  readonly cpuFeatures?: Properties;
  readonly vcpus: number;
  /** Default `vcpus`. */
  readonly maxVcpus?: number;
  readonly memory: {
    readonly sizeMiB: number;
    /** Default: anonymous memory. */
    readonly backing?: MemoryBacking;
    /** Default none. */
    readonly growth?: MemoryGrowth;
    readonly locked?: boolean;
  };
  readonly boot: Boot;
  /** Default: the small firmware that starts a kernel by its PVH entry and does nothing else. */
  readonly firmware?: Firmware;
  /** Virtio devices use the legacy interface (before version 1) if they can; default false. */
  readonly legacyOnly?: boolean;
  /** Virtio devices access memory through the IOMMU if they can; default false. */
  readonly throughIommu?: boolean;
  /** Descriptor of the connected QMP stream; none for a VM that is not controlled. */
  readonly monitor?: number;
  /** A further monitor for debugging by a person; default none. */
  readonly extraMonitor?: { readonly fd: number; readonly protocol: MonitorProtocol };
  /** The guest starts paused; default false. */
  readonly startsPaused?: boolean;
  /** The VM pauses when the guest panics, instead of ending; default false. */
  readonly pausesOnPanic?: boolean;
  readonly chardevs: readonly Chardev[];
  /** Default none. */
  readonly files?: readonly HandedFile[];
  /** Ids of I/O threads that serve devices. */
  readonly threads?: readonly string[];
  /** Images behind the disks. */
  readonly images?: readonly DiskImage[];
  readonly devices: readonly Device[];
}

export type Boot =
  | {
      readonly kind: "kernel";
      /** Uncompressed ELF with a PVH entry. */
      readonly kernel: string;
      readonly initrd?: string;
      readonly parameters: readonly string[];
    }
  /** Waits for the saved state of another VM. */
  | { readonly kind: "incoming" };

export type MonitorProtocol = "hmp" | "qmp" | "qmp-pretty";

export type Firmware =
  /** Loaded like a BIOS; a name without a slash is one of QEMU's own files. */
  | { readonly kind: "rom"; readonly path: string }
  /** Flash devices of the board: code, then variables. */
  | { readonly kind: "flash"; readonly paths: readonly string[] };

/** Where the bytes of a character device go: a connected stream socket that QEMU inherits. */
export interface Chardev {
  readonly id: string;
  readonly fd: number;
}

/** An open descriptor that QEMU inherits because it may not be able to open the file itself. */
export interface HandedFile {
  readonly fd: number;
  readonly descriptor: OpenedDescriptor;
  /** Number of a descriptor set, which QEMU duplicates when it opens `/dev/fdset/<set>`; default none. */
  readonly set?: number;
}

export interface DiskImage {
  readonly id: string;
  readonly path: string;
  /** `path` is a block device, not a regular file. */
  readonly isDevice: boolean;
  readonly readOnly: boolean;
  readonly cache: DiskCache;
  readonly aio: "threads" | "native" | "io_uring";
}

/** What all kinds of disks on an image have in common. */
export interface DiskFacts {
  readonly id: string;
  /** Id of a `DiskImage`. */
  readonly image: string;
  readonly serial?: string | undefined;
  readonly exclusive?: boolean | undefined;
  readonly logicalSectorBytes?: number | undefined;
  readonly physicalSectorBytes?: number | undefined;
}

export type Device =
  /** `ttyS0`, which works from the kernel's first line on. */
  | { readonly kind: "serial"; readonly chardev: string }
  | { readonly kind: "virtio-serial"; readonly id: string; readonly ports: number }
  /** A port of a virtio-serial device. The guest finds it by name; events contain its id. */
  | {
      readonly kind: "port";
      readonly id: string;
      readonly bus: string;
      readonly chardev: string;
      readonly name: string;
    }
  /** A shared directory served by the daemon behind `chardev`; the guest mounts it by its tag. */
  | {
      readonly kind: "virtio-fs";
      readonly chardev: string;
      readonly tag: string;
      readonly queueSize?: number | undefined;
    }
  /** A shared directory served by QEMU itself; the guest mounts it by its tag. */
  | {
      readonly kind: "9p";
      readonly id: string;
      readonly tag: string;
      readonly path: string;
      readonly readOnly: boolean;
    }
  | ({ readonly kind: "virtio-blk"; readonly thread?: string | undefined } & DiskFacts)
  | { readonly kind: "scsi-controller"; readonly id: string; readonly thread?: string | undefined }
  | ({ readonly kind: "scsi-disk"; readonly controller: string; readonly unit: number } & DiskFacts)
  /** The file is the device's memory: the guest maps its pages. */
  | {
      readonly kind: "nvdimm";
      readonly id: string;
      readonly path: string;
      readonly sizeBytes: number;
      readonly readOnly: boolean;
    }
  /** `address` is the slot on the root bus. */
  | { readonly kind: "bridge"; readonly id: string; readonly chassis: number; readonly address: number }
  | { readonly kind: "root-port"; readonly id: string; readonly chassis: number }
  | {
      readonly kind: "network";
      readonly id: string;
      readonly macAddress: string;
      readonly tapFds: readonly number[];
      readonly vhostFds: readonly number[];
    }
  | { readonly kind: "random"; readonly id: string; readonly source: string }
  /** Reports free pages to the host. */
  | { readonly kind: "balloon"; readonly id: string }
  /** Must precede the devices that it translates for. */
  | { readonly kind: "iommu" }
  /** Reports a panic to the host. */
  | { readonly kind: "panic" };

/** Names by which other parts of the driver find a bus, e.g. to plug a device into it. */
export const bridgeId = (index: number): string => `pci-bridge-${index}`;
export const rootPortId = (index: number): string => `rp${index}`;
export const scsiControllerId = "scsi0";

/** The bus of all devices that name no other; none on a board without PCI. */
export function rootBusOf(type: MachineType): string | undefined {
  switch (type) {
    case "q35":
      return "pcie.0";
    case "pc":
      return "pci.0";
    case "microvm":
      return undefined;
  }
}
