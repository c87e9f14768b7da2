/**
 * What a virtual machine is to be: plain data, the same for every driver.
 * Knows nothing of containers, agents or a driver's command line.
 */

export interface VmSpec {
  /** Of the sandbox; appears in process titles and errors. */
  readonly id: string;
  /** Directory for the VM's sockets and logs; exists, 0700, removed by its owner. */
  readonly directory: string;
  readonly vcpus: number;
  readonly memoryMiB: number;
  /** Default: what the shared directories need. */
  readonly memoryBacking?: MemoryBacking;
  readonly guest: GuestFiles;
  /** Appended to the driver's own kernel parameters. */
  readonly kernelParameters: readonly string[];
  readonly sharedDirectories: readonly SharedDirectory[];
  /**
   * File with the device state of a machine that was saved and had the same devices: this one goes on where that one was,
   * with the memory of `memoryBacking`, and boots nothing. Needs the capability `snapshots`.
   */
  readonly restoreFrom?: string;
  /** Cgroup directories that every process of the VM is born in. */
  readonly cgroups: readonly string[];
}

/** Where the guest's memory is. `shared`: what the guest writes is in the file; else the file is only read. */
export interface MemoryBacking {
  readonly kind: "file";
  /** Of a file of the memory's size. */
  readonly path: string;
  readonly shared: boolean;
}

/** Absolute paths; the driver checks that they exist and names the missing one. */
export interface GuestFiles {
  /** Uncompressed ELF with a PVH entry. */
  readonly kernel: string;
  readonly initrd: string;
  /** The agent's executable, for drivers that boot no kernel. */
  readonly agent: string;
}

/** A directory of the host that the guest mounts by tag; changes of the host below it show in the guest. */
export interface SharedDirectory {
  readonly tag: string;
  readonly path: string;
  /** Default: the first way that the driver's capabilities name. By 9p the machine can be saved, while it is not mounted. */
  readonly by?: SharingWay;
}

/** `bind` is for drivers without a kernel of their own. */
export type SharingWay = "virtio-fs" | "9p" | "bind";
