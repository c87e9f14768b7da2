/** Renders the memory of a VM as QEMU options. */
import type { MemoryBacking } from "../spec.ts";
import type { Device, QemuMachine } from "./machine.ts";
import { option, type Properties } from "./option.ts";

/** Id of the object for the board's memory. */
export const memoryId = "ram";

const bytesOfMiB = 1024 * 1024;

/** `devices` includes NVDIMMs, which need address space beside the memory. */
export function memoryOptions(memory: QemuMachine["memory"], devices: readonly Device[]): string[] {
  const backend = backendProperties(memory);
  return [
    ...option("-m", undefined, { size: `${memory.sizeMiB}M`, ...roomOf(memory, devices) }),
    ...(memory.locked === true ? option("-overcommit", undefined, { "mem-lock": true }) : []),
    ...(backend === undefined ? [] : option("-object", backend.type, { id: memoryId, ...backend.properties })),
  ];
}

/** DIMMs are above the board's own memory. The space for them is fixed at the start. */
function roomOf({ sizeMiB, growth }: QemuMachine["memory"], devices: readonly Device[]): Properties {
  const modules = devices.filter((device) => device.kind === "nvdimm");
  const moduleMiB = modules.reduce((sum, { sizeBytes }) => sum + Math.ceil(sizeBytes / bytesOfMiB), 0);
  const slots = (growth?.slots ?? 0) + modules.length;
  const maxMiB = Math.max(growth?.maxMiB ?? 0, sizeMiB) + moduleMiB;
  // QEMU refuses `maxmem` without slots, and slots without `maxmem`.
  return slots > 0 && maxMiB > sizeMiB ? { slots, maxmem: `${maxMiB}M` } : {};
}

/** The object for the memory; `undefined` for private memory without special settings. */
export function backendProperties({
  sizeMiB,
  backing,
}: QemuMachine["memory"]): { readonly type: string; readonly properties: Properties } | undefined {
  if (backing === undefined || (backing.kind === "ram" && backing.preallocated !== true)) return undefined;
  return memoryBackend(backing, `${sizeMiB}M`);
}

/** Also used for memory that is plugged in later, which must be of the same kind. */
export function memoryBackend(
  backing: MemoryBacking,
  size: string | number,
): { readonly type: string; readonly properties: Properties } {
  switch (backing.kind) {
    case "ram":
      return { type: "memory-backend-ram", properties: { size, ...preallocation(backing.preallocated) } };
    case "memfd":
      return {
        type: "memory-backend-memfd",
        properties: { size, share: backing.shared, ...preallocation(backing.preallocated) },
      };
    case "file":
      return {
        type: "memory-backend-file",
        properties: { size, "mem-path": backing.path, share: backing.shared, ...preallocation(backing.preallocated) },
      };
    case "hugepages":
      // Not a file in /dev/hugepages: if nothing is mounted there, the file would silently get ordinary pages.
      return {
        type: "memory-backend-memfd",
        properties: { size, hugetlb: true, share: backing.shared, prealloc: true },
      };
  }
}

function preallocation(preallocated: boolean | undefined): Properties {
  return preallocated === true ? { prealloc: true } : {};
}
