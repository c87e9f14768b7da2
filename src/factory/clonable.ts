/** Reasons in the configuration that rule out templates, whatever the container is. */
import { type Config, hypervisorConfigOf } from "../config/config.ts";
import type { Os } from "../sys/os.ts";
import { driverFor } from "../vm/driver-for.ts";

/** `undefined` if VMs of this configuration can be saved and cloned. */
export function whyNoTemplate(os: Os, config: Config): string | undefined {
  const { memory } = hypervisorConfigOf(config);
  if (!driverFor(os, config).capabilities.snapshots) return "the hypervisor cannot save VMs";
  if (memory.hugePages) return "a clone maps its template's memory, which has no huge pages (enable_hugepages)";
  if (memory.fileBackend !== undefined)
    return "a clone maps its template's memory, not a file of its own (file_mem_backend)";
  if (memory.prealloc)
    return "a clone maps its template's memory, of which nothing is allocated in advance (enable_mem_prealloc)";
  return undefined;
}
