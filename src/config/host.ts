/** The facts about the host on which the configuration's defaults depend. */
import type { Os } from "../sys/os.ts";
import type { ConfigSurroundings } from "./config.ts";
import { hostCpus } from "./host-cpus.ts";
import { virtioFsDaemons } from "./resolve.ts";

export async function surroundingsOf(os: Os, installRoot: string): Promise<ConfigSurroundings> {
  const [cpus, memory, vsock, daemon, fips] = await Promise.all([
    hostCpus(os),
    os.files.readText("/proc/meminfo"),
    os.files.status("/dev/vhost-vsock"),
    firstThere(os, virtioFsDaemons),
    // Missing on kernels without FIPS support.
    os.files.readText("/proc/sys/crypto/fips_enabled").catch(() => "0"),
  ]);
  const totalKiB = Number(/^MemTotal:\s*(\d+) kB$/m.exec(memory)?.[1]);
  const swapKiB = Number(/^SwapTotal:\s*(\d+) kB$/m.exec(memory)?.[1]);
  return {
    installRoot,
    hostCpus: cpus,
    hasVsock: vsock !== undefined,
    ...(fips.trim() === "1" && { fips: true }),
    ...(daemon !== undefined && { virtioFsDaemon: daemon }),
    ...(totalKiB > 0 && { hostMemoryMiB: Math.floor(totalKiB / 1024) }),
    ...(swapKiB > 0 && { hostSwapMiB: Math.floor(swapKiB / 1024) }),
  };
}

async function firstThere(os: Os, paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) {
    if ((await os.files.status(path).catch(() => undefined)) !== undefined) return path;
  }
  return undefined;
}
