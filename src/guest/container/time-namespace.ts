/**
 * Creates a process in a new time namespace. Offsets can be written only while the namespace has no process. So the
 * agent makes one for its next child, sets the offsets, and resets its choice afterwards. Synchronous, so that no other
 * process is created in between.
 */
import { closeQuietly, open } from "../../sys/linux/file.ts";
import { O_CLOEXEC, O_RDONLY } from "../../sys/linux/open-flags.ts";
import { setns, unshare } from "../../sys/linux/process.ts";
import { writeKernelFile } from "../../sys/linux/whole-file.ts";
import { KumiteError, messageOf } from "../../util/errors.ts";
import { namespaceFlag } from "../spec/namespace-flags.ts";
import type { TimeOffset } from "../spec/plan.ts";

/**
 * @param offsets `undefined` for the agent's own namespace
 * @param birth returns in the agent only
 * @throws KumiteError `oci/unsupported` when the kernel has no time namespaces or refuses an offset
 */
export function inTimeNamespace(offsets: readonly TimeOffset[] | undefined, birth: () => number): number {
  if (offsets === undefined) return birth();
  const own = attempt(() => open("/proc/self/ns/time", O_RDONLY | O_CLOEXEC));
  try {
    attempt(() => unshare(namespaceFlag.time));
    try {
      for (const { clock, seconds, nanoseconds } of offsets) {
        attempt(() => writeKernelFile("/proc/self/timens_offsets", `${clock} ${seconds} ${nanoseconds}`));
      }
      return birth();
    } finally {
      setns(own, namespaceFlag.time, "the agent's time namespace");
    }
  } finally {
    closeQuietly(own);
  }
}

function attempt<T>(make: () => T): T {
  try {
    return make();
  } catch (error) {
    throw new KumiteError("oci/unsupported", `the time namespace cannot be created: ${messageOf(error)}`, {
      cause: error,
    });
  }
}
