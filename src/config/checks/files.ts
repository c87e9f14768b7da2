/**
 * Examines the files that a configuration names: whether they exist, where links lead, how large they are. Files that
 * are not named are Kumite's own, which the driver examines.
 */
import type { FileStatus, Os } from "../../sys/os.ts";
import { isSystemError, messageOf } from "../../util/errors.ts";
import { oneLine } from "../../util/text.ts";
import type { EffectiveConfig } from "../effective.ts";
import { type Origin, type Report, rank } from "../problem.ts";
import type { Settings } from "../settings.ts";
import { hypervisorKeys } from "../tables.ts";
import { show } from "../value.ts";

export type FileFact =
  | { readonly found: true; readonly real: string; readonly status: FileStatus }
  | { readonly found: false; readonly why: string };

export interface NamedFiles {
  /** By key of the chosen hypervisor's table. */
  readonly byKey: ReadonlyMap<string, FileFact>;
  readonly pflashes: readonly FileFact[];
  readonly bindMounts: readonly FileFact[];
}

export async function lookAtFiles(os: Os, effective: EffectiveConfig, settings: Settings): Promise<NamedFiles> {
  const table = `hypervisor.${effective.chosen}`;
  const keys = Object.entries(hypervisorKeys())
    .filter(
      ([key, spec]) => spec.kind === "text" && "path" in spec && spec.path === "resolved" && settings.has(table, key),
    )
    .map(([key]) => [key, settings.get(table, key)?.value as string] as const)
    .filter(([, path]) => path.startsWith("/"));
  const { pflashes } = effective.hypervisors[effective.chosen];
  const mounts = effective.runtime.sandbox_bind_mounts.map((mount) => mount.replace(/:r[ow]$/, ""));
  const [facts, flashes, binds] = await Promise.all([
    Promise.all(keys.map(([, path]) => lookAt(os, path))),
    Promise.all(pflashes.map((path) => lookAt(os, path))),
    Promise.all(mounts.map((path) => lookAt(os, path))),
  ]);
  return {
    byKey: new Map(facts.map((fact, index) => [keys[index]?.[0] ?? "", fact])),
    pflashes: flashes,
    bindMounts: binds,
  };
}

async function lookAt(os: Os, path: string): Promise<FileFact> {
  try {
    if (!path.startsWith("/")) return { found: false, why: `${show(path)} is not an absolute path` };
    const real = await os.files.realPath(path);
    const status = await os.files.status(real);
    if (status !== undefined) return { found: true, real, status };
    return { found: false, why: `${show(path)} does not exist` };
  } catch (error) {
    if (!isSystemError(error)) throw error;
    return { found: false, why: oneLine(messageOf(error), 300) };
  }
}

/** Replaces paths by the targets of their links, and reports paths that lead nowhere. */
export function resolveFiles(
  effective: EffectiveConfig,
  { byKey, pflashes, bindMounts }: NamedFiles,
  settings: Settings,
  report: Report,
): EffectiveConfig {
  const table = `hypervisor.${effective.chosen}`;
  const values = effective.hypervisors[effective.chosen];
  const changed: Record<string, string> = {};
  for (const [key, fact] of byKey) {
    if (fact.found) changed[key] = fact.real;
    else if (!isSwallowed(key, effective, byKey)) {
      report(missing(`${table}.${key}`, settings.origin(table, key), fact.why, rankOf(key)));
    }
  }
  for (const fact of pflashes) {
    if (!fact.found) {
      report(missing(`${table}.pflashes`, settings.origin(table, "pflashes"), fact.why, rank.hypervisor));
    }
  }
  for (const fact of bindMounts) {
    if (!fact.found) {
      const origin = settings.origin("runtime", "sandbox_bind_mounts");
      report(missing("runtime.sandbox_bind_mounts", origin, fact.why, rank.other));
    }
  }
  const swallowed = guestOfOldRelease(effective, byKey);
  const real = pflashes.map((fact, index) => (fact.found ? fact.real : (values.pflashes[index] ?? "")));
  const resolved = { ...values, ...changed, ...swallowed, pflashes: real };
  // The getters of the other tables are inherited, so those tables stay undecided until they are used.
  const hypervisors = Object.create(effective.hypervisors, {
    [effective.chosen]: { value: resolved, enumerable: true },
  });
  return { ...effective, hypervisors: hypervisors as EffectiveConfig["hypervisors"] };
}

/** Releases from 1.4 on check both `image` and `initrd` and need only one of them. */
function isSwallowed(key: string, { era }: EffectiveConfig, byKey: NamedFiles["byKey"]): boolean {
  if (era === "1.0" || era === "3.x" || (key !== "image" && key !== "initrd")) return false;
  return byKey.has("image") && byKey.has("initrd");
}

function guestOfOldRelease(effective: EffectiveConfig, byKey: NamedFiles["byKey"]): { image?: ""; initrd?: "" } {
  const [image, initrd] = [byKey.get("image"), byKey.get("initrd")];
  if (!isSwallowed("image", effective, byKey)) return {};
  if (image?.found === true && initrd?.found === false) return { initrd: "" };
  return image?.found === false && initrd?.found === true ? { image: "" } : {};
}

function missing(key: string, origin: Origin, why: string, of: number) {
  const reason = `${key}: ${why}`;
  const hint = "give the path of a file that exists, or remove the key to get the default";
  return { severity: "error", origin, key, reason, hint, rank: of } as const;
}

function rankOf(key: string): number {
  switch (key) {
    case "path":
      return rank.path;
    case "kernel":
      return rank.kernel;
    case "initrd":
      return rank.initrd;
    case "image":
      return rank.image;
    case "firmware":
      return rank.firmware;
    default:
      return rank.hypervisor;
  }
}
