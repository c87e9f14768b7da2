/** The namespaces of a container that an exec process enters. */
import { namespaceFlag } from "../spec/namespace-flags.ts";

/** All that every container has, except the pid namespace, in which the process must be created. */
const entered =
  namespaceFlag.mount | namespaceFlag.uts | namespaceFlag.ipc | namespaceFlag.network | namespaceFlag.cgroup;

/**
 * The flags for setns(2).
 * @param hasOwnTime set only if there is a time namespace, since a kernel may lack them
 */
export function enteredNamespaces(hasOwnTime: boolean): number {
  return hasOwnTime ? entered | namespaceFlag.time : entered;
}
