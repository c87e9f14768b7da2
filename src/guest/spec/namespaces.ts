/** Namespaces of the OCI specification: which are created, and which are joined. Pure. */
import { type Fields, unsupported } from "./fields.ts";
import { readUserNamespace } from "./id-mappings.ts";
import { namespaceFlag } from "./namespace-flags.ts";
import type { NamespaceJoin, NamespacePlan, TimeOffset } from "./plan.ts";
import { wrong } from "./wrong.ts";

export type NamespaceName = keyof typeof namespaceFlag;

/**
 * Namespaces that the sandbox has once for all its containers (agent protocol, CreateContainer). The agent itself is in
 * them.
 */
const ofSandbox = namespaceFlag.ipc | namespaceFlag.uts;

/**
 * Reads `linux.namespaces`. A namespace that is not listed is shared with the agent, except the mount and cgroup
 * namespaces, which are always the container's own. Engines on cgroup v1 hosts never ask for a cgroup namespace;
 * without one the container would see the guest's hierarchy, which means nothing to it.
 */
export function readNamespaces(linux: Fields | undefined): NamespacePlan {
  let create: number = namespaceFlag.mount | namespaceFlag.cgroup;
  let shared = 0;
  const join: NamespaceJoin[] = [];
  const seen = new Set<string>();
  for (const fields of linux?.objects("namespaces") ?? []) {
    const name = fields.requiredText("type");
    const key = fields.key("type");
    if (seen.has(name)) throw wrong(key, `is a second entry for ${name}`);
    seen.add(name);
    if (!isNamespaceName(name)) throw wrong(key, `is not a namespace type: ${JSON.stringify(name)}`);
    const path = fields.text("path") ?? "";
    if (path === "") {
      if ((namespaceFlag[name] & ofSandbox) !== 0) shared |= namespaceFlag[name];
      else create |= namespaceFlag[name];
      continue;
    }
    if (!path.startsWith("/")) throw wrong(fields.key("path"), "must be an absolute path");
    // Building a root file system in another mount namespace would change what the processes there see.
    if (name === "mount")
      throw unsupported(fields.key("path"), "asks to join a mount namespace, which is not supported");
    if (name === "user") throw unsupported(fields.key("path"), "asks to join a user namespace, which is not supported");
    create &= ~namespaceFlag[name];
    join.push({ name, flag: namespaceFlag[name], path });
  }
  const makes = (name: NamespaceName): boolean => (create & namespaceFlag[name]) !== 0;
  const user = readUserNamespace(linux, makes("user"));
  return { create, join, shared, user, timeOffsets: readTimeOffsets(linux, makes("time")) };
}

/** The clocks that `linux.timeOffsets` may name, with their numbers in the kernel. */
const clocks = { monotonic: 1, boottime: 7 } as const;
const maxSeconds = 2 ** 53;

function readTimeOffsets(linux: Fields | undefined, isOwn: boolean): TimeOffset[] {
  const fields = linux?.object("timeOffsets");
  if (fields === undefined) return [];
  const offsets: TimeOffset[] = [];
  for (const [name, clock] of Object.entries(clocks)) {
    const offset = fields.object(name);
    if (offset === undefined) continue;
    const seconds = offset.integer("secs", -maxSeconds, maxSeconds) ?? 0;
    offsets.push({ clock, seconds, nanoseconds: offset.integer("nanosecs", 0, 999_999_999) ?? 0 });
  }
  if (offsets.length > 0 && !isOwn) throw wrong("linux.timeOffsets", "needs a new time namespace");
  return offsets;
}

function isNamespaceName(name: string): name is NamespaceName {
  return Object.hasOwn(namespaceFlag, name);
}

/** Whether the container is in a namespace of that kind other than the guest's own. */
export function hasOwnNamespace(plan: NamespacePlan, name: NamespaceName): boolean {
  const flag = namespaceFlag[name];
  return ((plan.create | plan.shared) & flag) !== 0 || plan.join.some((join) => join.flag === flag);
}
