/** The configuration in effect, for people and programs, with the files' names and each value's origin. Pure. */
import { hypervisorTables, type KeyTable, type KeyValue } from "./key.ts";
import type { Loaded } from "./load.ts";
import { type Origin, originText } from "./problem.ts";
import { keysOf } from "./tables.ts";

export interface ShownTable {
  /** Full name, e.g. `hypervisor.qemu`. */
  readonly name: string;
  readonly keys: readonly ShownKey[];
}

export interface ShownKey {
  readonly key: string;
  readonly value: KeyValue;
  readonly origin: Origin;
}

/** Tables that only old releases have are included if a file has them. */
export function shownTables({ effective, settings }: Loaded): ShownTable[] {
  const { chosen, hypervisors, agentTable, proxyTable, shimTable } = effective;
  const tables: [name: string, values: Readonly<Record<string, KeyValue>>][] = [
    [`hypervisor.${chosen}`, hypervisors[chosen]],
    [agentTable, effective.agent],
    ["runtime", effective.runtime],
    ["factory", effective.factory],
  ];
  if (settings.tables.has(proxyTable)) tables.push([proxyTable, effective.proxy]);
  if (settings.tables.has(shimTable)) tables.push([shimTable, effective.shim]);
  if (settings.tables.has("netmon")) tables.push(["netmon", effective.netmon]);
  return tables.map(([name, values]) => ({
    name,
    keys: Object.entries(values)
      .filter(([key]) => settings.has(name, key) || belongsTo(name, key))
      .map(([key, value]) => ({ key, value, origin: settings.origin(name, key) })),
  }));
}

/** Whether Kata's files for this hypervisor have the key. */
export function belongsTo(table: string, key: string): boolean {
  const keys: KeyTable = keysOf(table) ?? {};
  const of = keys[key]?.of;
  return of === undefined || hypervisorTables.some((name) => table === `hypervisor.${name}` && of.includes(name));
}

export function shownAsToml(tables: readonly ShownTable[], withOrigin: boolean): string {
  return tables
    .map(({ name, keys }) => {
      const lines = keys.map(({ key, value, origin }) => {
        const comment = withOrigin ? `  # ${originText(origin)}` : "";
        return `${key} = ${tomlValue(value)}${comment}\n`;
      });
      return `[${name}]\n${lines.join("")}`;
    })
    .join("\n");
}

/** In the structure of the file. With origins, each value is an object. */
export function shownAsJson(tables: readonly ShownTable[], withOrigin: boolean): string {
  const document: Record<string, unknown> = {};
  for (const { name, keys } of tables) {
    const content = Object.fromEntries(
      keys.map(({ key, value, origin }) => [key, withOrigin ? { value, origin } : value]),
    );
    const [group = "", kind] = name.split(".");
    document[group] = kind === undefined ? content : { [kind]: content };
  }
  return `${JSON.stringify(document, undefined, 2)}\n`;
}

/** As one line of TOML. */
export function tomlValue(value: KeyValue): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value !== "object") return String(value);
  return `[${value.map((item) => (typeof item === "string" ? JSON.stringify(item) : inlineTable(item))).join(", ")}]`;
}

function inlineTable(entry: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(entry).map(([name, text]) => `${name} = ${JSON.stringify(text)}`);
  return `{ ${pairs.join(", ")} }`;
}
