/** A time-line as text: one line with a bar for each phase. */
import type { Phase } from "./phases.ts";

const barWidth = 40;

export function timelineText(phases: readonly Phase[]): string {
  const totalMs = Math.max(1, ...phases.map(({ endMs }) => endMs));
  const nameWidth = Math.max(0, ...phases.map(({ name }) => name.length));
  const lines = phases.map(({ track, name, beginMs, endMs }) => {
    const ms = String(Math.round(endMs - beginMs)).padStart(6);
    return `${track.padEnd(8)} ${name.padEnd(nameWidth)} ${ms} ms |${bar(beginMs / totalMs, endMs / totalMs)}|`;
  });
  return `${lines.join("\n")}\n${"".padEnd(9 + nameWidth)} ${String(Math.round(totalMs)).padStart(6)} ms in total\n`;
}

/** `from` and `to` are fractions of the whole. The bar is at least one character wide. */
function bar(from: number, to: number): string {
  const begin = Math.min(barWidth - 1, Math.max(0, Math.floor(from * barWidth)));
  const end = Math.min(barWidth, Math.max(begin + 1, Math.round(to * barWidth)));
  return `${" ".repeat(begin)}${"#".repeat(end - begin)}`.padEnd(barWidth);
}
