/**
 * The kernel modules in the guest image, and the reason for each. Modules that they need are added automatically. Names
 * are those of /proc/modules. A kernel may have any of them built in.
 */

/** Transports for virtio devices: the agent first loads the one that the machine type has. */
export const transportModules: readonly string[] = ["virtio_pci", "virtio_mmio"];

/** Loaded next, before the agent can be reached: the port on which it listens. */
export const earlyModules: readonly string[] = ["virtio_console"];

/** Loaded on demand. */
export const lateModules: readonly string[] = [
  // Shared directories.
  "virtiofs",
  "9p",
  "9pnet_virtio",
  // Images on block devices, with a writable layer.
  "virtio_blk",
  "erofs",
  "ext4",
  "overlay",
  // The other channel to the host.
  "vmw_vsock_virtio_transport",
  // Network interfaces of a sandbox.
  "virtio_net",
  // Random numbers from the host, and reporting free pages to it, if the VM has these devices.
  "virtio_rng",
  "virtio_balloon",
  // Reports a panic to the host, if the VM has this device.
  "pvpanic_mmio",
  // Memory that grows and shrinks.
  "virtio_mem",
];

/**
 * Modules that few VMs need: SCSI disks, and a file system whose driver is half as large as everything else. A second
 * image has these in addition, so that other VMs do not copy them at each boot.
 */
export const rareModules: readonly string[] = ["virtio_scsi", "sd_mod", "xfs"];

/**
 * A `softdep` names modules by what they provide, which modprobe resolves by alias in a full system. Where several
 * exist, the plain C implementation is chosen, which runs on every CPU model.
 */
export const softDependencies: Readonly<Record<string, string>> = {
  crc32c: "crc32c_generic",
  crct10dif: "crct10dif_generic",
  crc64_rocksoft: "crc64_rocksoft_generic",
  "crypto-crc32c": "crc32c_generic",
};
