/** Renders processes as a table in the form of ps(1). Pure. */
import type { PsView } from "./arguments.ts";
import type { MachineFacts, ProcessFacts } from "./facts.ts";

export function renderTable(view: PsView, processes: readonly ProcessFacts[], machine: MachineFacts): string {
  const rows = processes.map((process) => view.columns.map(({ show }) => show(process, machine)));
  const lines = view.titles ? [view.columns.map(({ title }) => title), ...rows] : rows;
  const widths = view.columns.map((_, index) =>
    lines.reduce((most, line) => Math.max(most, line[index]?.length ?? 0), 0),
  );
  return lines.map((line) => `${renderLine(view, line, widths)}\n`).join("");
}

function renderLine({ columns }: PsView, cells: readonly string[], widths: readonly number[]): string {
  const padded = cells.map((cell, index) => {
    const width = widths[index] ?? 0;
    if (columns[index]?.align === "right") return cell.padStart(width);
    // The last column needs no padding.
    return index === cells.length - 1 ? cell : cell.padEnd(width);
  });
  return padded.join(" ");
}
