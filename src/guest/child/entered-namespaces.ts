/** Which namespaces of a container a further process of it enters. */
import { namespaceFlag } from "../spec/namespace-flags.ts";

/** All that every container has but the pid namespace, which a process enters by birth only. */
const entered =
  namespaceFlag.mount | namespaceFlag.uts | namespaceFlag.ipc | namespaceFlag.network | namespaceFlag.cgroup;

/** As setns(2) takes them. @param hasOwnTime a kernel may have no time namespaces */
export function enteredNamespaces(hasOwnTime: boolean): number {
  return hasOwnTime ? entered | namespaceFlag.time : entered;
}
