/** What a mount of a specification is, from its type and its options together. */
import type { OciMount } from "./spec.ts";

export function isBindMount({ type, options = [] }: OciMount): boolean {
  return type === "bind" || options.includes("bind") || options.includes("rbind");
}

/** The last option about it counts. */
export function isReadOnlyMount({ options = [] }: OciMount): boolean {
  return options.findLast((option) => ["ro", "rro", "rw", "rrw"].includes(option))?.endsWith("ro") ?? false;
}
