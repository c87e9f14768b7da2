/** Keys of `[hypervisor.*]`: block devices and shared directories. */
import { bool, count, exactMax, type KeyTable, list, text } from "../key.ts";

const hypervisor = (name: string) => `config.hypervisor.${name}`;

function rate(doc: string) {
  return count(doc, "2.5.0", { of: ["clh"], max: exactMax });
}

export const storageKeys = {
  block_device_driver: text("The device that block devices appear as in the guest.", "1.0.0", {
    default: "virtio-blk",
    defaults: { firecracker: "virtio-mmio" },
    choices: ["virtio-scsi", "virtio-blk", "virtio-mmio", "nvdimm", "virtio-blk-ccw"],
    fault: "Invalid hypervisor block storage driver",
    annotation: hypervisor("block_device_driver"),
  }),
  disable_block_device_use: bool("A root file system on a block device is shared as a directory instead.", "1.0.0", {
    annotation: hypervisor("disable_block_device_use"),
  }),
  block_device_cache_set: bool("The two keys below hold; otherwise the monitor's default does.", "1.5.0", {
    of: ["qemu", "clh"],
    annotation: hypervisor("block_device_cache_set"),
  }),
  block_device_cache_direct: bool("Block devices bypass the host's page cache.", "1.5.0", {
    of: ["qemu", "clh"],
    annotation: hypervisor("block_device_cache_direct"),
  }),
  block_device_cache_noflush: bool("Flushes of the guest are not passed on.", "1.5.0", {
    of: ["qemu", "clh"],
    annotation: hypervisor("block_device_cache_noflush"),
  }),
  block_device_aio: text("How QEMU reads and writes block devices.", "3.0.0", {
    of: ["qemu"],
    choices: ["", "threads", "native", "io_uring"],
    defaultText: "`threads`, which every host allows",
    fault: "Invalid hypervisor block storage I/O mechanism",
    annotation: hypervisor("block_device_aio"),
  }),
  block_device_logical_sector_size: count(
    "0: the monitor's default; else a power of two from 512 to 65536.",
    "3.29.0",
    {
      of: ["qemu"],
      unit: "bytes",
      annotation: hypervisor("blk_logical_sector_size"),
    },
  ),
  block_device_physical_sector_size: count("As above, and not smaller than the logical one.", "3.29.0", {
    of: ["qemu"],
    unit: "bytes",
    annotation: hypervisor("blk_physical_sector_size"),
  }),
  enable_iothreads: bool("Block devices have a thread of their own.", "1.0.0", {
    of: ["qemu", "firecracker"],
    annotation: hypervisor("enable_iothreads"),
  }),
  indep_iothreads: count("Further threads for block devices that are added later.", "3.24.0", {
    of: ["qemu"],
    annotation: hypervisor("indep_iothreads"),
  }),
  shared_fs: text("How directories of the host reach the guest.", "1.7.0", {
    of: ["qemu", "clh"],
    default: "virtio-fs",
    defaults: { firecracker: "none" },
    choices: ["virtio-fs", "virtio-9p", "virtio-fs-nydus", "none"],
    fault: "Invalid hypervisor shared file system",
    annotation: hypervisor("shared_fs"),
  }),
  msize_9p: count("Largest message of 9p; 0 means 8192.", "1.0.0", {
    of: ["qemu"],
    unit: "bytes",
    default: 8192,
    annotation: hypervisor("msize_9p"),
  }),
  virtio_fs_daemon: text("The daemon that serves shared directories.", "1.7.0", {
    of: ["qemu", "clh"],
    path: "absolute",
    defaultText: "QEMU's own, else the Rust one",
    annotation: hypervisor("virtio_fs_daemon"),
    allowedBy: "valid_virtio_fs_daemon_paths",
  }),
  valid_virtio_fs_daemon_paths: list("Programs that the annotation for `virtio_fs_daemon` may name.", "1.12.0", {
    of: ["qemu", "clh"],
    items: "glob",
  }),
  virtio_fs_cache: text("What the guest keeps of shared files.", "1.7.0", {
    of: ["qemu", "clh"],
    choices: ["", "never", "none", "metadata", "auto", "always"],
    defaultText: "what is fastest and sees changes of the host within 20 ms",
    annotation: hypervisor("virtio_fs_cache"),
  }),
  virtio_fs_cache_size: count("Window of directly mapped files (DAX).", "1.7.0", {
    of: ["qemu", "clh"],
    unit: "MiB",
    annotation: hypervisor("virtio_fs_cache_size"),
  }),
  virtio_fs_queue_size: count("Length of the queue between guest and daemon; 0 means 1024.", "3.1.0", {
    of: ["qemu", "clh"],
    default: 1024,
  }),
  virtio_fs_extra_args: list("Further arguments of the daemon.", "1.9.0", {
    of: ["qemu", "clh"],
    annotation: hypervisor("virtio_fs_extra_args"),
  }),
  disable_image_nvdimm: bool("`image` is a block device, not a memory device.", "1.11.0", {
    of: ["qemu", "clh"],
    annotation: hypervisor("disable_image_nvdimm"),
  }),
  enable_vhost_user_store: bool("Block devices may be served by other programs.", "1.11.0", {
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
  vhost_user_reconnect_timeout_sec: count("How long such a program may be away; 0: it may not.", "3.1.0", {
    of: ["qemu"],
    unit: "seconds",
    annotation: hypervisor("vhost_user_reconnect_timeout_sec"),
  }),
  disk_rate_limiter_bw_max_rate: rate("Bits per second of all disks; 0: no limit."),
  disk_rate_limiter_bw_one_time_burst: rate("Bits that are not counted at first."),
  disk_rate_limiter_ops_max_rate: rate("Operations per second of all disks; 0: no limit."),
  disk_rate_limiter_ops_one_time_burst: rate("Operations that are not counted at first."),
} as const satisfies KeyTable;
