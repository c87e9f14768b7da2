/**
 * Reads `linux.uidMappings` and `linux.gidMappings`, which map ids of a container to ids outside its user namespace.
 * Pure.
 */
import { type Fields, maxId } from "./fields.ts";
import { idOutside } from "./ids-outside.ts";
import type { IdMapping, UserNamespacePlan, UserPlan } from "./plan.ts";
import { wrong } from "./wrong.ts";

/** The kernel's limit, user_namespaces(7). */
const maxMappings = 340;

/**
 * `undefined` without a user namespace of the container's own.
 * @throws KumiteError `oci/spec-invalid` for mappings without such a namespace, or if id 0 is not mapped: what is made
 * for the container belongs to its root
 */
export function readUserNamespace(linux: Fields | undefined, isOwn: boolean): UserNamespacePlan | undefined {
  const uids = readMappings(linux, "uidMappings");
  const gids = readMappings(linux, "gidMappings");
  if (!isOwn) {
    const given = uids.length > 0 ? "uidMappings" : "gidMappings";
    if (uids.length + gids.length > 0) throw wrong(`linux.${given}`, "needs a new user namespace");
    return undefined;
  }
  if (uids.length + gids.length === 0) return { uids: everyId, gids: everyId };
  for (const [key, mappings] of Object.entries({ uidMappings: uids, gidMappings: gids })) {
    if (idOutside(mappings, 0) === undefined) throw wrong(`linux.${key}`, "must map id 0 of the user namespace");
  }
  return { uids, gids };
}

function readMappings(linux: Fields | undefined, name: string): IdMapping[] {
  const mappings = (linux?.objects(name) ?? []).map((fields): IdMapping => {
    const [inside, outside] = [fields.uint32("containerID") ?? 0, fields.uint32("hostID") ?? 0];
    const size = fields.integer("size", 1, maxId + 1);
    if (size === undefined) throw wrong(fields.key("size"), "is missing");
    if (inside + size - 1 > maxId || outside + size - 1 > maxId)
      throw wrong(fields.key("size"), "goes beyond the last id");
    return { inside, outside, size };
  });
  if (mappings.length > maxMappings) throw wrong(`linux.${name}`, `has more than ${maxMappings} entries`);
  return mappings;
}

/** The mappings of a user namespace without any, as with crun: the same ids, but without privileges outside. */
const everyId: readonly IdMapping[] = [{ inside: 0, outside: 0, size: maxId + 1 }];

/** @throws KumiteError `oci/spec-invalid` for a user that is not mapped in the namespace */
export function checkMapped({ uid, gid, additionalGids }: UserPlan, user: UserNamespacePlan | undefined): void {
  if (user === undefined) return;
  if (idOutside(user.uids, uid) === undefined)
    throw wrong("process.user.uid", `is not mapped by linux.uidMappings: ${uid}`);
  for (const [key, id] of [["gid", gid], ...additionalGids.map((one) => ["additionalGids", one])] as [
    string,
    number,
  ][]) {
    if (idOutside(user.gids, id) === undefined)
      throw wrong(`process.user.${key}`, `is not mapped by linux.gidMappings: ${id}`);
  }
}
