/** Reasons in the configuration that rule out templates, whatever the container is. */
import { type Config, hypervisorConfigOf } from "../config/config.ts";
import type { Os } from "../sys/os.ts";
import { driverFor } from "../vm/driver-for.ts";

/** `undefined` if VMs of this configuration can be saved and cloned. */
export function whyNoTemplate(os: Os, config: Config): string | undefined {
  const { memory } = hypervisorConfigOf(config);
  if (!driverFor(os, config).capabilities.snapshots) return "the hypervisor's machines cannot be saved";
  if (memory.hugePages) return "the memory of a clone is its template's, not of huge pages (enable_hugepages)";
  if (memory.fileBackend !== undefined) return "the memory of a clone is its template's (file_mem_backend)";
  if (memory.prealloc) return "the memory of a clone is its template's until it is written to (enable_mem_prealloc)";
  return undefined;
}
