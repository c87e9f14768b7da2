/** `--set TABLE.KEY=VALUE` on the command line, for one call. */
import { nearest } from "../util/nearest.ts";
import { oneLine } from "../util/text.ts";
import type { ConfigEra, KeyValue } from "./key.ts";
import { type Origin, type Report, rank } from "./problem.ts";
import type { Settings } from "./settings.ts";
import { keysOf, tableNames } from "./tables.ts";
import { faultOf, valueFromText } from "./value.ts";

/** Applies them on top of the settings, in order. Values are parsed as their key's type; invalid ones are reported. */
export function addOverrides(settings: Settings, words: readonly string[], era: ConfigEra, report: Report): void {
  for (const word of words) addOverride(settings, word, era, report);
}

function addOverride(settings: Settings, word: string, era: ConfigEra, report: Report): void {
  const origin: Origin = { kind: "command-line", word };
  const read = readOverride(word, era);
  if ("fault" in read) {
    report({ severity: "error", origin, reason: read.fault, hint: read.hint, rank: rank.decoding });
  } else settings.set(read.table, read.key, { value: read.value, origin: () => origin });
}

type Override =
  | { readonly table: string; readonly key: string; readonly value: KeyValue }
  | { readonly fault: string; readonly hint: string };

function readOverride(word: string, era: ConfigEra): Override {
  const [, name = "", text = ""] = /^([^=]*)=(.*)$/s.exec(word) ?? [];
  const [, table = "", key = ""] = /^(.+)\.([^.]+)$/.exec(name) ?? [];
  if (key === "") {
    return { fault: "must have the form TABLE.KEY=VALUE", hint: "for example --set factory.enable_template=true" };
  }
  const keys = isTable(table) ? keysOf(table) : undefined;
  if (keys === undefined) {
    return { fault: `${oneLine(table, 60)} is not a known table`, hint: meant(table, tableNames) };
  }
  const spec = Object.hasOwn(keys, key) ? keys[key] : undefined;
  if (spec === undefined) {
    return { fault: `${oneLine(name, 120)} is not a known key`, hint: meant(key, Object.keys(keys)) };
  }
  const value = valueFromText(spec, text);
  const fault = faultOf(spec, value, era);
  return fault === undefined
    ? { table, key, value }
    : { fault: `${name} ${fault}`, hint: "give a value of the key's type" };
}

function isTable(name: string): boolean {
  return tableNames.includes(name) || name === "agent.hyperstart";
}

function meant(word: string, candidates: readonly string[]): string {
  const close = word.length > 60 ? undefined : nearest(word, candidates);
  return close === undefined ? "see `kumite config default`" : `did you mean ${close}?`;
}
