/**
 * The specification of a VM: plain data, the same for every driver. Knows nothing of containers, agents or a driver's
 * command line. A driver refuses what it does not support before it makes anything.
 */

export interface VmSpec {
  /** The sandbox's id; appears in process titles and errors. */
  readonly id: string;
  /** Directory for the VM's sockets and logs. It exists with mode 0700, and its owner removes it. */
  readonly directory: string;
  readonly vcpus: number;
  /** How many vCPUs the VM can grow to; default `vcpus`. Each costs the guest some memory from the start. */
  readonly maxVcpus?: number;
  readonly memoryMiB: number;
  /** How much memory can be added later; default none. */
  readonly memoryGrowth?: MemoryGrowth;
  /** Default: what the shared directories require. */
  readonly memoryBacking?: MemoryBacking;
  /** The memory is never swapped out on the host; default false. */
  readonly memoryLocked?: boolean;
  readonly guest: GuestFiles;
  /** Appended to the driver's own kernel parameters. */
  readonly kernelParameters: readonly string[];
  readonly sharedDirectories: readonly SharedDirectory[];
  /** In the order in which the guest finds the disks of one bus. */
  readonly disks?: readonly Disk[];
  /** SCSI disks can be plugged in later; default: if the VM starts with any. */
  readonly scsiController?: boolean;
  readonly networks?: readonly NetworkDevice[];
  /** Places for devices that are plugged in later; default as in the driver's configuration. */
  readonly hotplugPorts?: HotplugPorts;
  /** A file on the host from which a virtio-rng device feeds the guest; default no such device. */
  readonly entropySource?: string;
  /** Memory that the guest frees is returned to the host; default false. */
  readonly reclaimsFreeMemory?: boolean;
  /** An IOMMU for the guest's devices; default false. */
  readonly iommu?: boolean;
  /** virtio devices use the legacy interface (before version 1), which has less state to save; default false. */
  readonly legacyDevices?: boolean;
  /** The guest starts paused; default false. */
  readonly startsPaused?: boolean;
  /**
   * File with the device state of a saved VM that had the same devices: this VM continues from there instead of
   * booting, with the memory of `memoryBacking`. Needs the capability `snapshots`.
   */
  readonly restoreFrom?: string;
  /**
   * With `restoreFrom`: the data that is in the agent's channel when QEMU starts, one character per byte. Default:
   * none.
   */
  readonly agentHears?: string;
  /** Cgroup directories that every process of the VM is born in. */
  readonly cgroups: readonly string[];
}

/** Absolute paths. The driver checks that the files exist, and names a missing one. */
export interface GuestFiles {
  /** Uncompressed ELF with a PVH entry. */
  readonly kernel: string;
  /** Exactly one of this and `image` must be given. */
  readonly initrd?: string;
  readonly image?: GuestImage;
  /** The agent's executable, for drivers that boot no kernel. */
  readonly agent: string;
}

/** A disk image whose first partition is the guest's root file system. It is never written. */
export interface GuestImage {
  readonly path: string;
  /** Default `ext4`. */
  readonly fileSystem?: "ext4" | "xfs" | "erofs";
  /** Default `virtio-blk`. With `nvdimm` the guest maps the host's pages instead of copying them. */
  readonly bus?: "virtio-blk" | "nvdimm";
  /** The second partition has dm-verity hashes of the first, without a superblock; default no verification. */
  readonly verity?: Verity;
}

export interface Verity {
  /** SHA-256 in hexadecimal, as is the salt, which may be empty. */
  readonly rootHash: string;
  readonly salt: string;
  readonly dataBlocks: number;
  readonly dataBlockBytes: number;
  readonly hashBlockBytes: number;
}

export interface MemoryGrowth {
  /** Total memory, including what the VM starts with. */
  readonly maxMiB: number;
  /** How many times memory can be added. */
  readonly slots: number;
  /** As DIMMs, which cannot be removed, or through a virtio-mem device, which can also shrink; default `dimm`. */
  readonly by?: "dimm" | "virtio-mem";
}

/**
 * Where the guest's memory is. `shared`: other processes can map the memory, and a file gets the guest's writes;
 * otherwise a file is only read.
 */
export type MemoryBacking =
  | { readonly kind: "ram"; readonly preallocated?: boolean }
  | { readonly kind: "memfd"; readonly shared: boolean; readonly preallocated?: boolean }
  /** `path` is a file of the memory's size, or a directory in which an unnamed file is made. */
  | { readonly kind: "file"; readonly path: string; readonly shared: boolean; readonly preallocated?: boolean }
  /** Always preallocated: otherwise a guest would be killed if no huge page is left when it first uses one. */
  | { readonly kind: "hugepages"; readonly shared: boolean };

/** A directory of the host that the guest mounts by its tag. The guest sees the host's changes below it. */
export interface SharedDirectory {
  readonly tag: string;
  readonly path: string;
  /**
   * Default: the first way in the driver's capabilities. A VM with 9p can be saved while the directory is not mounted.
   */
  readonly by?: SharingWay;
  /** The guest cannot write to the directory, however it mounts it; only with 9p. */
  readonly readOnly?: boolean;
}

/** `bind` is for drivers without a kernel of their own. */
export type SharingWay = "virtio-fs" | "9p" | "bind";

/** An image that the guest sees as a disk. Its format is always raw, never guessed. */
export interface Disk {
  /** Letters, digits and `-`; unique in the VM. */
  readonly id: string;
  /** Path of a regular file or block device. */
  readonly path: string;
  readonly bus: DiskBus;
  readonly readOnly: boolean;
  /** The guest finds the disk by this; at most 20 bytes. Default none. */
  readonly serial?: string;
  /** No other VM may write to the image at the same time; a second VM with it does not start. Default false. */
  readonly exclusive?: boolean;
  /** Default: the host's page cache is used, and the guest's flushes reach the medium. */
  readonly cache?: DiskCache;
  /** Default `threads`. `native` needs `cache.direct`. */
  readonly aio?: "threads" | "native" | "io_uring";
  /** Served by an I/O thread of its own; default false. */
  readonly ownThread?: boolean;
  /** Powers of two from 512 to 65536; default 512 for both. */
  readonly logicalSectorBytes?: number;
  readonly physicalSectorBytes?: number;
}

/** On a VM without PCI, `virtio-blk` uses virtio-mmio. */
export type DiskBus = "virtio-blk" | "virtio-scsi" | "nvdimm";

export interface DiskCache {
  /** Bypasses the host's page cache (O_DIRECT). */
  readonly direct: boolean;
  /** Flush requests of the guest are ignored: fast, but data is lost if the host crashes. */
  readonly noFlush: boolean;
}

/** A network interface on tap devices, given as descriptors of this process. Each list has one entry per queue. */
export interface NetworkDevice {
  readonly id: string;
  readonly macAddress: string;
  readonly tapFds: readonly number[];
  /** Descriptors of /dev/vhost-net; empty to let the VMM move the packets itself. */
  readonly vhostFds: readonly number[];
}

/** A network interface that is plugged into a running VM. */
export interface NetworkTap {
  readonly id: string;
  readonly macAddress: string;
  /** Name of a tap device in the VMM's network namespace. */
  readonly tap: string;
  /** The host's kernel moves the packets (/dev/vhost-net); default false. */
  readonly vhost?: boolean;
}

export interface HotplugPorts {
  /** Bridges with 30 slots each. */
  readonly bridges: number;
  /** PCI Express root ports, each for one device. */
  readonly rootPorts: number;
}
