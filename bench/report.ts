/** Formats findings as a short table for people. Programs get the findings themselves as JSON. */
import { type Findings, type Summary, summarize, type Unit } from "./figures.ts";

export function table(findings: Readonly<Record<string, Findings>>): string {
  const lines: string[] = [];
  for (const [scenario, { figures, timeline, phases, notes }] of Object.entries(findings)) {
    lines.push("", scenario, ...aligned([["", "min", "median", "max", ""], ...figures.map(summarize).map(figureRow)]));
    if (timeline !== undefined) lines.push(`  phases: ${timelineText(timeline)}`);
    for (const [kind, durations] of Object.entries(phases ?? {})) {
      lines.push(
        `  ${kind}:`,
        ...aligned(Object.entries(durations).map(([name, ms]) => [name, number(ms, "ms"), "ms"])),
      );
    }
    for (const note of notes ?? []) lines.push(`  (${note})`);
  }
  const verdicts = Object.values(findings).flatMap((finding) => finding.verdicts);
  lines.push("", "targets");
  lines.push(
    ...aligned(
      verdicts.map(({ promise, value, limit, unit, reached }) => [
        reached ? "reached" : "MISSED",
        promise,
        number(value, unit),
        `(${number(limit, unit)})`,
        unit === "ratio" ? "" : unit,
      ]),
    ),
  );
  return `${lines.join("\n").trimStart()}\n`;
}

function figureRow(figure: Summary): string[] {
  const show = (value: number) => number(value, figure.unit);
  return [figure.name, show(figure.min), show(figure.median), show(figure.max), figure.unit];
}

function timelineText(timeline: Readonly<Record<string, number>>): string {
  return Object.entries(timeline)
    .sort(([, a], [, b]) => a - b)
    .map(([phase, ms]) => `${phase} ${ms.toFixed(0)}`)
    .join(", ");
}

function number(value: number, unit: Unit): string {
  return value.toFixed(unit === "ms" || unit === "count" ? 0 : 2);
}

/** The first two columns are aligned to the left, figures to the right. */
function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? "").length)));
  const isText = (column: number) => rows.every((row) => !/^\(?-?\d/.test(row[column] ?? ""));
  return rows.map((row) => {
    const cells = row.map((cell, column) => {
      const width = widths[column] ?? 0;
      return isText(column) ? cell.padEnd(width) : cell.padStart(width);
    });
    return `  ${cells.join("  ")}`.trimEnd();
  });
}
