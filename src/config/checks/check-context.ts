/** What the checks examine, and how they report errors. */
import type { EffectiveConfig } from "../effective.ts";
import type { Origin, Report } from "../problem.ts";
import type { Settings } from "../settings.ts";
import type { NamedFiles } from "./files.ts";

export interface CheckContext {
  readonly effective: EffectiveConfig;
  readonly settings: Settings;
  readonly files: NamedFiles;
  readonly report: Report;
}

/** Reports one error about one key, with its place. */
export function wrong(
  { settings, report }: CheckContext,
  table: string,
  key: string,
  reason: string,
  of: number,
): void {
  const origin: Origin = settings.origin(table, key);
  report({ severity: "error", origin, key: `${table}.${key}`, reason, rank: of });
}
