/** The agent's limit of file descriptors, and the kernel's limit for all processes. */
import { prlimit, RLIMIT_NOFILE } from "../../sys/linux/process.ts";
import { readFileText, writeKernelFile } from "../../sys/linux/whole-file.ts";
import { isSystemError } from "../../util/errors.ts";

/** The kernel's default for the highest limit that any process may have (fs.nr_open). */
const most = 1_048_576n;

/** Raises the agent's limit as far as possible: every process of every container costs it descriptors. */
export function raiseDescriptorLimit(): void {
  try {
    prlimit(0, RLIMIT_NOFILE, { soft: most, hard: most });
  } catch (error) {
    if (!isSystemError(error)) throw error;
    const { hard } = prlimit(0, RLIMIT_NOFILE);
    prlimit(0, RLIMIT_NOFILE, { soft: hard, hard });
  }
}

const mostOfKernel = "/proc/sys/fs/nr_open";
/**
 * The highest fs.nr_open the kernel accepts: it must be able to allocate an array of that many pointers, rounded to
 * whole words of bits.
 */
const mostPossible = 2n ** 31n - 64n;

/**
 * Raises fs.nr_open to `wanted`. Some hosts allow more descriptors than a freshly booted kernel, and specifications are
 * written for them. This applies to the whole VM and is never lowered; each process still has its own limit below it.
 * Call this only where the kernel is the agent's own.
 */
export function allowDescriptors(wanted: bigint): void {
  // The kernel refuses an impossible limit when it is set for the process, as it does on any host.
  if (wanted <= most || wanted > mostPossible || wanted <= BigInt(readFileText(mostOfKernel).trim())) return;
  writeKernelFile(mostOfKernel, String(wanted));
}
