/** The memory of a machine as options of QEMU. */
import type { MemoryBacking } from "../spec.ts";
import type { Device, QemuMachine } from "./machine.ts";
import { option, type Properties } from "./option.ts";

/** Of the object that the board's memory is. */
export const memoryId = "ram";

const bytesOfMiB = 1024 * 1024;

/** `devices` are those that need room beside the memory. */
export function memoryOptions(memory: QemuMachine["memory"], devices: readonly Device[]): string[] {
  const backend = backendProperties(memory);
  return [
    ...option("-m", undefined, { size: `${memory.sizeMiB}M`, ...roomOf(memory, devices) }),
    ...(memory.locked === true ? option("-overcommit", undefined, { "mem-lock": true }) : []),
    ...(backend === undefined ? [] : option("-object", backend.type, { id: memoryId, ...backend.properties })),
  ];
}

/** Memory modules live above the board's own memory: what is kept free for them is decided at the start. */
function roomOf({ sizeMiB, growth }: QemuMachine["memory"], devices: readonly Device[]): Properties {
  const modules = devices.filter((device) => device.kind === "nvdimm");
  const moduleMiB = modules.reduce((sum, { sizeBytes }) => sum + Math.ceil(sizeBytes / bytesOfMiB), 0);
  const slots = (growth?.slots ?? 0) + modules.length;
  const maxMiB = Math.max(growth?.maxMiB ?? 0, sizeMiB) + moduleMiB;
  // QEMU refuses room without slots, and slots without room.
  return slots > 0 && maxMiB > sizeMiB ? { slots, maxmem: `${maxMiB}M` } : {};
}

/** An object that the memory is made of; `undefined` for memory that nobody else needs and nothing is to be said of. */
export function backendProperties({
  sizeMiB,
  backing,
}: QemuMachine["memory"]): { readonly type: string; readonly properties: Properties } | undefined {
  if (backing === undefined || (backing.kind === "ram" && backing.preallocated !== true)) return undefined;
  return memoryBackend(backing, `${sizeMiB}M`);
}

/** Also for memory that is plugged in later, which has to be of the same kind. */
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
      // Not by /dev/hugepages: where nothing is mounted there, a file in it has ordinary pages, without a word.
      return {
        type: "memory-backend-memfd",
        properties: { size, hugetlb: true, share: backing.shared, prealloc: true },
      };
  }
}

function preallocation(preallocated: boolean | undefined): Properties {
  return preallocated === true ? { prealloc: true } : {};
}
