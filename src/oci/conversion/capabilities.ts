/** The capabilities of a specification's process, in both of the layouts that versions of it have. Pure. */
import { isRecord } from "../../util/json.ts";
import { invalid } from "./invalid.ts";

export const capabilitySets = ["bounding", "effective", "inheritable", "ambient", "permitted"] as const;
export type CapabilitySets = Readonly<Record<(typeof capabilitySets)[number], readonly string[]>>;

/**
 * One list (before 1.0.0-rc5) is that of all sets; of an object the lists of the known sets are taken. `null` is none.
 * Fails with `oci/spec-invalid`.
 */
export function capabilitiesOf(process: { readonly capabilities?: unknown } | undefined): CapabilitySets {
  if (process === undefined) throw invalid("ContainerCapabilities, Process is nil", "process");
  const { capabilities } = process;
  const same = (list: readonly string[]): CapabilitySets => ({
    bounding: list,
    effective: list,
    inheritable: list,
    ambient: list,
    permitted: list,
  });
  if (capabilities === undefined || capabilities === null) return same([]);
  if (Array.isArray(capabilities)) return same(listOf(capabilities));
  if (!isRecord(capabilities)) throw unexpected();
  for (const value of Object.values(capabilities)) listOf(value);
  const sets = capabilitySets.map((name) => [
    name,
    Object.hasOwn(capabilities, name) ? listOf(capabilities[name]) : [],
  ]);
  return Object.fromEntries(sets) as unknown as CapabilitySets;
}

function listOf(value: unknown): readonly string[] {
  if (Array.isArray(value) && value.every((item) => typeof item === "string")) return value;
  throw unexpected();
}

function unexpected() {
  return invalid("Unexpected format for capabilities", "process.capabilities");
}
