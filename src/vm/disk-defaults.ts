/** Applies the configuration to disks that do not specify the setting themselves. Pure. */
import type { HypervisorConfig } from "../config/config.ts";
import type { Disk } from "../hypervisor/spec.ts";

/** Applies to every VM with the disk, so templates and clones match. */
export function withDiskDefaults({ block }: HypervisorConfig, disk: Disk): Disk {
  const cache = disk.cache ?? block.cache;
  // Native AIO requires direct I/O. A disk that uses the page cache gets QEMU's default instead.
  const aio = disk.aio ?? (block.aio === "native" && cache?.direct !== true ? "" : block.aio);
  return {
    ...(block.logicalSectorBytes > 0 && { logicalSectorBytes: block.logicalSectorBytes }),
    ...(block.physicalSectorBytes > 0 && { physicalSectorBytes: block.physicalSectorBytes }),
    ...(block.ioThread && { ownThread: true }),
    ...disk,
    ...(cache !== undefined && { cache }),
    ...(aio !== "" && { aio }),
  };
}
