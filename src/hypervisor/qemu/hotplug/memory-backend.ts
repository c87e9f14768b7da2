/** The backend on the host for memory that is added to a VM, of the same kind as its first memory. Pure. */
import type { MemoryBacking } from "../../spec.ts";
import { memoryBackend } from "../memory-options.ts";
import type { QmpProperties } from "../qmp/hotplug-commands.ts";

/** `size` in bytes. The result is the argument of `object-add`. */
export function addedMemory(
  id: string,
  size: number,
  backing: MemoryBacking = { kind: "ram" },
): { readonly "qom-type": string; readonly id: string } & QmpProperties {
  // A file holds exactly the VM's first memory, for others to start from, so added memory gets a memfd.
  const kept: MemoryBacking = backing.kind === "file" ? { kind: "memfd", shared: backing.shared } : backing;
  const { type, properties } = memoryBackend(kept, size);
  return { "qom-type": type, id, ...properties };
}
