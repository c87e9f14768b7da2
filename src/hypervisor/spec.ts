/**
 * The specification of a VM: plain data, the same for every driver.
 * Knows nothing of containers, agents or a driver's command line. What a driver cannot make of it, it refuses before
 * anything is made.
 */

export interface VmSpec {
  /** Of the sandbox; appears in process titles and errors. */
  readonly id: string;
  /** Directory for the VM's sockets and logs; exists, 0700, removed by its owner. */
  readonly directory: string;
  readonly vcpus: number;
  /** How many it can grow to; default `vcpus`. Each costs the guest some memory from the start. */
  readonly maxVcpus?: number;
  readonly memoryMiB: number;
  /** What can be plugged in later; default nothing. */
  readonly memoryGrowth?: MemoryGrowth;
  /** Default: what the shared directories need. */
  readonly memoryBacking?: MemoryBacking;
  /** The host never swaps it out; default false. */
  readonly memoryLocked?: boolean;
  readonly guest: GuestFiles;
  /** Appended to the driver's own kernel parameters. */
  readonly kernelParameters: readonly string[];
  readonly sharedDirectories: readonly SharedDirectory[];
  /** In the order in which the guest finds those of one bus. */
  readonly disks?: readonly Disk[];
  /** SCSI disks can be plugged in later; default: where it has some from the start. */
  readonly scsiController?: boolean;
  readonly networks?: readonly NetworkDevice[];
  /** Where devices can be plugged in later; default what the driver's configuration says. */
  readonly hotplugPorts?: HotplugPorts;
  /** File on the host whose bytes a random number device gives the guest; default no such device. */
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
   * File with the device state of a saved VM that had the same devices: this VM continues from there instead of booting,
   * with the memory of `memoryBacking`. Needs the capability `snapshots`.
   */
  readonly restoreFrom?: string;
  /** Cgroup directories that every process of the VM is born in. */
  readonly cgroups: readonly string[];
}

/** Absolute paths; the driver checks that they exist and names the missing one. */
export interface GuestFiles {
  /** Uncompressed ELF with a PVH entry. */
  readonly kernel: string;
  /** Exactly one of this and `image`. */
  readonly initrd?: string;
  readonly image?: GuestImage;
  /** The agent's executable, for drivers that boot no kernel. */
  readonly agent: string;
}

/** A disk image whose first partition is the guest's root file system, never written to. */
export interface GuestImage {
  readonly path: string;
  /** Default `ext4`. */
  readonly fileSystem?: "ext4" | "xfs" | "erofs";
  /** Default `virtio-blk`. With `nvdimm` the guest maps the host's pages instead of copying them. */
  readonly bus?: "virtio-blk" | "nvdimm";
  /** The second partition has dm-verity hashes of the first, without a superblock; default: no verification. */
  readonly verity?: Verity;
}

export interface Verity {
  /** SHA-256, in hexadecimal digits, like the salt, which may be empty. */
  readonly rootHash: string;
  readonly salt: string;
  readonly dataBlocks: number;
  readonly dataBlockBytes: number;
  readonly hashBlockBytes: number;
}

export interface MemoryGrowth {
  /** Of all memory, what the machine starts with included. */
  readonly maxMiB: number;
  /** How many times memory can be added. */
  readonly slots: number;
  /** As modules, which stay, or through a device that gives and takes; default `dimm`. */
  readonly by?: "dimm" | "virtio-mem";
}

/**
 * Where the guest's memory is. `shared`: another process can map it, and what the guest writes is in the file; else a file
 * is only read.
 */
export type MemoryBacking =
  | { readonly kind: "ram"; readonly preallocated?: boolean }
  | { readonly kind: "memfd"; readonly shared: boolean; readonly preallocated?: boolean }
  /** `path` is a file of the memory's size, or a directory, where a file without a name is made. */
  | { readonly kind: "file"; readonly path: string; readonly shared: boolean; readonly preallocated?: boolean }
  /** Always preallocated: otherwise a guest would be killed if no huge page is left when it first uses one. */
  | { readonly kind: "hugepages"; readonly shared: boolean };

/** A directory of the host that the guest mounts by tag; changes of the host below it show in the guest. */
export interface SharedDirectory {
  readonly tag: string;
  readonly path: string;
  /** Default: the first way that the driver's capabilities name. By 9p the machine can be saved, while it is not mounted. */
  readonly by?: SharingWay;
  /** The guest cannot write to it, whatever it mounts; by 9p only. */
  readonly readOnly?: boolean;
}

/** `bind` is for drivers without a kernel of their own. */
export type SharingWay = "virtio-fs" | "9p" | "bind";

/** An image that the guest sees as a disk. Its format is never guessed: the bytes of the file are those of the disk. */
export interface Disk {
  /** Of letters, digits and `-`, unique in the machine. */
  readonly id: string;
  /** A regular file or a block device. */
  readonly path: string;
  readonly bus: DiskBus;
  readonly readOnly: boolean;
  /** What the guest finds it by; at most 20 bytes. Default none. */
  readonly serial?: string;
  /** No other machine may write to the image meanwhile: the one that comes second is not started. Default false. */
  readonly exclusive?: boolean;
  /** Default: the host's page cache, and what the guest flushes is on the medium. */
  readonly cache?: DiskCache;
  /** Default `threads`. `native` needs `cache.direct`. */
  readonly aio?: "threads" | "native" | "io_uring";
  /** Served by an I/O thread of its own; default false. */
  readonly ownThread?: boolean;
  /** Powers of two from 512 to 65536; default 512 each. */
  readonly logicalSectorBytes?: number;
  readonly physicalSectorBytes?: number;
}

/** On a machine without PCI `virtio-blk` is a device on virtio-mmio. */
export type DiskBus = "virtio-blk" | "virtio-scsi" | "nvdimm";

export interface DiskCache {
  /** Past the host's page cache (O_DIRECT). */
  readonly direct: boolean;
  /** Flush requests of the guest are ignored: fast, but data is lost if the host crashes. */
  readonly noFlush: boolean;
}

/** A network interface on tap devices, given as descriptors of this process; one of each list for each queue. */
export interface NetworkDevice {
  readonly id: string;
  readonly macAddress: string;
  readonly tapFds: readonly number[];
  /** Of /dev/vhost-net; none to let the VMM move the packets itself. */
  readonly vhostFds: readonly number[];
}

/** A network interface for a machine that runs. */
export interface NetworkTap {
  readonly id: string;
  readonly macAddress: string;
  /** Name of a tap in the network namespace of the VMM. */
  readonly tap: string;
  /** The host's kernel moves the packets (/dev/vhost-net); default false. */
  readonly vhost?: boolean;
}

export interface HotplugPorts {
  /** Bridges of 30 slots each. */
  readonly bridges: number;
  /** PCI Express root ports, each for one device. */
  readonly rootPorts: number;
}
