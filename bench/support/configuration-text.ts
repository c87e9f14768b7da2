/** A configuration table with its keys at their defaults. */
import { defaultOf } from "../../src/config/default-file.ts";
import type { KeySpec } from "../../src/config/key.ts";
import { tomlValue } from "../../src/config/shown.ts";

/** Paths that a host may lack are left empty. */
export function configurationText(table: string, keys: readonly (readonly [string, KeySpec])[]): string {
  const lines = keys.map(([key, spec]) => {
    const value = spec.kind === "text" && spec.path === "resolved" ? "" : defaultOf(table, spec);
    return `${key} = ${tomlValue(value)}\n`;
  });
  return `[${table}]\n${lines.join("")}\n`;
}
