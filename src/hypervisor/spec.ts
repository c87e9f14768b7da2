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
  readonly guest: GuestFiles;
  /** Appended to the driver's own kernel parameters. */
  readonly kernelParameters: readonly string[];
  readonly sharedDirectories: readonly SharedDirectory[];
  /** Cgroup directories that every process of the VM is born in. */
  readonly cgroups: readonly string[];
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
}
