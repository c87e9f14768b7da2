/** Reports keys that are set without effect, once per key, with the place. */
import type { EffectiveConfig } from "./effective.ts";
import { whyNotHonoured } from "./not-honoured.ts";
import type { Report } from "./problem.ts";
import type { Settings } from "./settings.ts";
import { keyOf } from "./tables.ts";

/** Default values are not reported, since files spell many of them out. */
export function noticeWithoutEffect(effective: EffectiveConfig, settings: Settings, report: Report): void {
  for (const name of settings.names()) {
    const dot = name.lastIndexOf(".");
    const [table, key] = [name.slice(0, dot), name.slice(dot + 1)];
    if (table.startsWith("hypervisor.") && table !== `hypervisor.${effective.chosen}`) continue;
    const why = whyNotHonoured(table, key);
    const setting = settings.get(table, key);
    if (why === undefined || setting === undefined || isDefault(table, key, setting.value)) continue;
    report({ severity: "notice", origin: setting.origin(), key: name, reason: `${name} has no effect: ${why}` });
  }
}

function isDefault(table: string, key: string, value: unknown): boolean {
  const spec = keyOf(table, key);
  if (spec === undefined) return false;
  const same = (other: unknown) =>
    other === value || (typeof value === "object" && JSON.stringify(other) === JSON.stringify(value));
  if (value === "" || same(spec.default) || (Array.isArray(value) && value.length === 0)) return true;
  // For numbers, 0 stands for the default.
  if ((spec.kind === "integer" || spec.kind === "number") && value === 0) return true;
  const table2 = table.slice("hypervisor.".length);
  return spec.kind === "text" && Object.entries(spec.defaults ?? {}).some(([of, text]) => of === table2 && same(text));
}
