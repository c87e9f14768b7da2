/** How many descriptors the agent may have, and what the kernel allows anybody. */
import { prlimit, RLIMIT_NOFILE } from "../../sys/linux/process.ts";
import { readFileText, writeKernelFile } from "../../sys/linux/whole-file.ts";
import { isSystemError } from "../../util/errors.ts";

/** The kernel's default for the highest that anybody may have (fs.nr_open). */
const most = 1_048_576n;

/** Every process of every container costs the agent descriptors: it takes all it may have. */
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
/** What the kernel takes as that: an array of pointers has to be possible, in whole words of bits. */
const mostPossible = 2n ** 31n - 64n;

/**
 * Hosts allow more than a new kernel does, and specifications are written for them. For the whole machine, and never less
 * again: each process has its own limit below it. To be called only where the kernel is the agent's own.
 */
export function allowDescriptors(wanted: bigint): void {
  // More than is possible is refused by the kernel where it is set, as elsewhere.
  if (wanted <= most || wanted > mostPossible || wanted <= BigInt(readFileText(mostOfKernel).trim())) return;
  writeKernelFile(mostOfKernel, String(wanted));
}
