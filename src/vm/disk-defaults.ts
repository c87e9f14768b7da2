/** What the configuration says of all disks of containers, where the disk itself says nothing. Pure. */
import type { HypervisorConfig } from "../config/config.ts";
import type { Disk } from "../hypervisor/spec.ts";

/** Every machine with the disk has it so, templates and their clones alike. */
export function withDiskDefaults({ block }: HypervisorConfig, disk: Disk): Disk {
  const cache = disk.cache ?? block.cache;
  // Past the page cache or not at all: a layer that is nobody's to keep stays with what every image can.
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
