/** A time-line as a picture: SVG, or an HTML page around the SVG. Self-contained. */
import type { Phase, Track } from "./phases.ts";

const colours: Readonly<Record<Track, string>> = {
  kumite: "#6b7280",
  shim: "#2563eb",
  files: "#0d9488",
  VM: "#d97706",
  guest: "#9333ea",
};

/** In pixels. */
const nameWidth = 320;
const chartWidth = 640;
const rowHeight = 24;
const top = 64;
const margin = 20;
const width = nameWidth + chartWidth + 90;

export function timelineSvg(title: string, phases: readonly Phase[]): string {
  const totalMs = Math.max(1, ...phases.map(({ endMs }) => endMs));
  const x = (ms: number): number => round(nameWidth + (Math.max(0, ms) / totalMs) * chartWidth);
  const bottom = top + phases.length * rowHeight;
  const grid = ticks(totalMs).map(
    (ms) =>
      `<line x1="${x(ms)}" y1="${top - 8}" x2="${x(ms)}" y2="${bottom}" stroke="#e5e7eb"/>` +
      `<text x="${x(ms)}" y="${top - 14}" text-anchor="middle" fill="#6b7280">${ms} ms</text>`,
  );
  const rows = phases.map(({ track, name, beginMs, endMs }, index) => {
    const y = top + index * rowHeight;
    const barEnd = Math.max(x(endMs), x(beginMs) + 2);
    return [
      `<text x="${margin}" y="${y + 16}" fill="${colours[track]}">${escaped(track)}</text>`,
      `<text x="${margin + 64}" y="${y + 16}" fill="#111827">${escaped(name)}</text>`,
      `<rect x="${x(beginMs)}" y="${y + 4}" width="${round(barEnd - x(beginMs))}" height="${rowHeight - 8}" rx="2" fill="${colours[track]}"/>`,
      `<text x="${barEnd + 6}" y="${y + 16}" fill="#374151">${Math.round(endMs - beginMs)} ms</text>`,
    ].join("");
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${bottom + margin}" viewBox="0 0 ${width} ${bottom + margin}" font-family="sans-serif" font-size="12">`,
    `<rect width="100%" height="100%" fill="#ffffff"/>`,
    `<text x="${margin}" y="26" font-size="16" fill="#111827">${escaped(title)}</text>`,
    ...grid,
    ...rows,
    "</svg>\n",
  ].join("\n");
}

export function timelineHtml(title: string, phases: readonly Phase[]): string {
  return [
    "<!doctype html>",
    `<html lang="en"><head><meta charset="utf-8"><title>${escaped(title)}</title></head>`,
    `<body style="margin:0">${timelineSvg(title, phases)}</body></html>\n`,
  ].join("\n");
}

/** Five to ten round numbers. */
function ticks(totalMs: number): number[] {
  const rough = totalMs / 8;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max(1, [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough) ?? rough);
  const count = Math.floor(totalMs / step);
  return Array.from({ length: count + 1 }, (_, i) => Math.round(i * step));
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}
