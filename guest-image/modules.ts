/**
 * Which kernel modules the guest image has, and why. What they need comes along by itself.
 * Names as in /proc/modules. A kernel that has one of them built in is fine.
 */

/** How devices are reached: the agent loads the one that the board has, first of all. */
export const transportModules: readonly string[] = ["virtio_pci", "virtio_mmio"];

/** Loaded next, by the agent, before it can be reached: the port it listens on. */
export const earlyModules: readonly string[] = ["virtio_console"];

/** Loaded when something asks for them. */
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
  // The other way to the host.
  "vmw_vsock_virtio_transport",
  // Network interfaces of a sandbox.
  "virtio_net",
  // Random numbers of the host, and telling it which pages are free: where the machine has such devices.
  "virtio_rng",
  "virtio_balloon",
  // Telling the host of a panic: where the machine has such a device.
  "pvpanic_mmio",
  // Memory that grows and shrinks.
  "virtio_mem",
];

/**
 * For what few machines have: SCSI disks, and a file system whose driver is half as large as everything else. A second image
 * has all of the first and these, so that other machines do not copy them at each boot.
 */
export const rareModules: readonly string[] = ["virtio_scsi", "sd_mod", "xfs"];

/**
 * Modules are asked for by what they provide in a `softdep`, which in a full system modprobe resolves by alias.
 * The plain C implementation is chosen where there are several: it runs on every CPU model.
 */
export const softDependencies: Readonly<Record<string, string>> = {
  crc32c: "crc32c_generic",
  crct10dif: "crct10dif_generic",
  crc64_rocksoft: "crc64_rocksoft_generic",
  "crypto-crc32c": "crc32c_generic",
};
