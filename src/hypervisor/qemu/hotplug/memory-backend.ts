/** Where memory that is added to a machine lies on the host: as its first memory does. Pure. */
import type { MemoryBacking } from "../../spec.ts";
import { memoryBackend } from "../memory-options.ts";
import type { QmpProperties } from "../qmp/hotplug-commands.ts";

/** `size` in bytes. The result goes to `object-add`. */
export function addedMemory(
  id: string,
  size: number,
  backing: MemoryBacking = { kind: "ram" },
): { readonly "qom-type": string; readonly id: string } & QmpProperties {
  // A file may have the machine's first memory to the byte, for others to begin with: what comes later is not in it.
  const kept: MemoryBacking = backing.kind === "file" ? { kind: "memfd", shared: backing.shared } : backing;
  const { type, properties } = memoryBackend(kept, size);
  return { "qom-type": type, id, ...properties };
}
