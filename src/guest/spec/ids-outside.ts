/** Translates ids of a container to ids outside its user namespace. Pure. */
import type { IdMapping, UserNamespacePlan } from "./plan.ts";

/** `undefined` for an id that is not mapped. */
export function idOutside(mappings: readonly IdMapping[], id: number): number | undefined {
  const mapping = mappings.find(({ inside, size }) => id >= inside && id < inside + size);
  return mapping === undefined ? undefined : mapping.outside + (id - mapping.inside);
}

/** The owner of a file that is created outside the namespace; an unmapped id becomes the container's root. */
export function uidOutside(user: UserNamespacePlan | undefined, uid: number): number {
  return user === undefined ? uid : (idOutside(user.uids, uid) ?? rootOutside(user).uid);
}

export function gidOutside(user: UserNamespacePlan | undefined, gid: number): number {
  return user === undefined ? gid : (idOutside(user.gids, gid) ?? rootOutside(user).gid);
}

/** Both are mapped: `readUserNamespace` has checked it. */
export function rootOutside({ uids, gids }: UserNamespacePlan): { readonly uid: number; readonly gid: number } {
  return { uid: idOutside(uids, 0) ?? 0, gid: idOutside(gids, 0) ?? 0 };
}

/** The format of /proc/PID/uid_map. */
export function mapText(mappings: readonly IdMapping[]): string {
  return mappings.map(({ inside, outside, size }) => `${inside} ${outside} ${size}\n`).join("");
}
