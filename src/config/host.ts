/** What of the host the configuration's defaults depend on. */
import type { Os } from "../sys/os.ts";
import type { ConfigSurroundings } from "./config.ts";
import { hostCpus } from "./host-cpus.ts";

export async function surroundingsOf(os: Os, installRoot: string): Promise<ConfigSurroundings> {
  const [cpus, memory, vsock] = await Promise.all([
    hostCpus(os),
    os.files.readText("/proc/meminfo"),
    os.files.status("/dev/vhost-vsock"),
  ]);
  const totalKiB = Number(/^MemTotal:\s*(\d+) kB$/m.exec(memory)?.[1]);
  return {
    installRoot,
    hostCpus: cpus,
    hasVsock: vsock !== undefined,
    ...(totalKiB > 0 && { hostMemoryMiB: Math.floor(totalKiB / 1024) }),
  };
}
