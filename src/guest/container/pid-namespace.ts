/**
 * Creates a process in an existing pid namespace. A process cannot enter one, only be created in it. So the agent sets
 * the namespace of its next child, and resets it afterwards. Synchronous, so that no other process is created in
 * between.
 */
import { closeQuietly, open } from "../../sys/linux/file.ts";
import { O_CLOEXEC, O_RDONLY } from "../../sys/linux/open-flags.ts";
import { setns } from "../../sys/linux/process.ts";
import { namespaceFlag } from "../spec/namespace-flags.ts";

/**
 * @param fd a namespace file, or a pidfd of a process in it; `undefined` for the agent's own
 * @param birth returns in the agent only
 */
export function inPidNamespace(fd: number | undefined, birth: () => number): number {
  if (fd === undefined) return birth();
  const own = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
  try {
    setns(fd, namespaceFlag.pid, "the container's pid namespace");
    try {
      return birth();
    } finally {
      setns(own, namespaceFlag.pid, "the agent's pid namespace");
    }
  } finally {
    closeQuietly(own);
  }
}
