/** Keys of `[hypervisor.*]`: block devices and shared directories. */
import { bool, count, exactMax, type KeyTable, list, text } from "../key.ts";

const hypervisor = (name: string) => `config.hypervisor.${name}`;

function rate(doc: string) {
  return count(doc, "2.5.0", { of: ["clh"], max: exactMax });
}

export const storageKeys = {
  block_device_driver: text("The kind of device that disks are in the guest.", "1.0.0", {
    default: "virtio-blk",
    defaults: { firecracker: "virtio-mmio" },
    choices: ["virtio-scsi", "virtio-blk", "virtio-mmio", "nvdimm", "virtio-blk-ccw"],
    fault: "Invalid hypervisor block storage driver",
    annotation: hypervisor("block_device_driver"),
  }),
  disable_block_device_use: bool(
    "A root file system on a mounted block device is shared as a directory instead.",
    "1.0.0",
    {
      annotation: hypervisor("disable_block_device_use"),
    },
  ),
  block_device_cache_set: bool("The next two keys apply; otherwise the VMM's default does.", "1.5.0", {
    of: ["qemu", "clh"],
    annotation: hypervisor("block_device_cache_set"),
  }),
  block_device_cache_direct: bool("Block devices bypass the host's page cache.", "1.5.0", {
    of: ["qemu", "clh"],
    annotation: hypervisor("block_device_cache_direct"),
  }),
  block_device_cache_noflush: bool("Flush requests of the guest are ignored.", "1.5.0", {
    of: ["qemu", "clh"],
    annotation: hypervisor("block_device_cache_noflush"),
  }),
  block_device_aio: text("How QEMU does I/O on disks.", "3.0.0", {
    of: ["qemu"],
    choices: ["", "threads", "native", "io_uring"],
    defaultText: "`threads`, which every host allows",
    fault: "Invalid hypervisor block storage I/O mechanism",
    annotation: hypervisor("block_device_aio"),
  }),
  block_device_logical_sector_size: count(
    "0: the VMM's default; otherwise a power of two from 512 to 65536.",
    "3.29.0",
    {
      of: ["qemu"],
      unit: "bytes",
      annotation: hypervisor("blk_logical_sector_size"),
    },
  ),
  block_device_physical_sector_size: count("As above, but not smaller than the logical one.", "3.29.0", {
    of: ["qemu"],
    unit: "bytes",
    annotation: hypervisor("blk_physical_sector_size"),
  }),
  enable_iothreads: bool("Each disk has its own I/O thread.", "1.0.0", {
    of: ["qemu", "firecracker"],
    annotation: hypervisor("enable_iothreads"),
  }),
  indep_iothreads: count("Additional I/O threads for hotplugged disks.", "3.24.0", {
    of: ["qemu"],
    annotation: hypervisor("indep_iothreads"),
  }),
  shared_fs: text("How directories of the host are shared with the guest.", "1.7.0", {
    of: ["qemu", "clh"],
    default: "virtio-fs",
    defaults: { firecracker: "none" },
    choices: ["virtio-fs", "virtio-9p", "virtio-fs-nydus", "none"],
    fault: "Invalid hypervisor shared file system",
    annotation: hypervisor("shared_fs"),
  }),
  msize_9p: count("Maximum size of 9p messages; 0 means 8192.", "1.0.0", {
    of: ["qemu"],
    unit: "bytes",
    default: 8192,
    annotation: hypervisor("msize_9p"),
  }),
  virtio_fs_daemon: text("The daemon that serves shared directories.", "1.7.0", {
    of: ["qemu", "clh"],
    path: "absolute",
    defaultText: "QEMU's own, otherwise the Rust one",
    annotation: hypervisor("virtio_fs_daemon"),
    allowedBy: "valid_virtio_fs_daemon_paths",
  }),
  valid_virtio_fs_daemon_paths: list("Programs that the annotation for `virtio_fs_daemon` may name.", "1.12.0", {
    of: ["qemu", "clh"],
    items: "glob",
  }),
  virtio_fs_cache: text("How the guest caches shared files.", "1.7.0", {
    of: ["qemu", "clh"],
    choices: ["", "never", "none", "metadata", "auto", "always"],
    defaultText: "the fastest setting that shows changes of the host within 20 ms",
    annotation: hypervisor("virtio_fs_cache"),
  }),
  virtio_fs_cache_size: count("Size of the DAX window, for directly mapped files.", "1.7.0", {
    of: ["qemu", "clh"],
    unit: "MiB",
    annotation: hypervisor("virtio_fs_cache_size"),
  }),
  virtio_fs_queue_size: count("Length of the queue between guest and daemon; 0 means 1024.", "3.1.0", {
    of: ["qemu", "clh"],
    default: 1024,
  }),
  virtio_fs_extra_args: list("Additional arguments for the daemon.", "1.9.0", {
    of: ["qemu", "clh"],
    annotation: hypervisor("virtio_fs_extra_args"),
  }),
  disable_image_nvdimm: bool("`image` is a block device, not a memory device.", "1.11.0", {
    of: ["qemu", "clh"],
    annotation: hypervisor("disable_image_nvdimm"),
  }),
  enable_vhost_user_store: bool("Disks may be served by other programs (vhost-user).", "1.11.0", {
    of: ["qemu"],
    annotation: hypervisor("enable_vhost_user_store"),
  }),
  vhost_user_store_path: text("Where the sockets of those programs are.", "1.11.0", {
    of: ["qemu"],
    default: "/var/run/kata-containers/vhost-user",
    path: "absolute",
    annotation: hypervisor("vhost_user_store_path"),
    allowedBy: "valid_vhost_user_store_paths",
  }),
  valid_vhost_user_store_paths: list("Directories that its annotation may name.", "1.12.0", {
    of: ["qemu"],
    items: "glob",
  }),
  vhost_user_reconnect_timeout_sec: count("How long to wait for such a program to reconnect; 0: not at all.", "3.1.0", {
    of: ["qemu"],
    unit: "seconds",
    annotation: hypervisor("vhost_user_reconnect_timeout_sec"),
  }),
  disk_rate_limiter_bw_max_rate: rate("Bits per second of all disks; 0: no limit."),
  disk_rate_limiter_bw_one_time_burst: rate("Initial burst in bits."),
  disk_rate_limiter_ops_max_rate: rate("Operations per second of all disks; 0: no limit."),
  disk_rate_limiter_ops_one_time_burst: rate("Initial burst in operations."),
} as const satisfies KeyTable;
