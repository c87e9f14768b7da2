/**
 * Merges the lines of the guest's console and of the shim's log, ordered by time. Text from the guest is cleaned of
 * control characters. Knows no files.
 */
import { isRecord } from "../util/json.ts";
import { stripControls } from "../util/text.ts";

const logSources = ["console", "agent", "shim"] as const;
export type LogSource = (typeof logSources)[number];

export interface LogLine {
  /** ISO 8601, UTC; empty if the line has no time. */
  readonly time: string;
  readonly source: LogSource;
  readonly text: string;
}

export interface LogTexts {
  /** As `sandbox/boot.ts` writes it: the time, a blank, the printed line. */
  readonly console: string;
  /** The shim's log, as text or JSON. */
  readonly shim: string;
}

/** Oldest first. A line without a time follows the line before it. */
export function logLines({ console, shim }: LogTexts): LogLine[] {
  const lines = [...withTimes(linesOf(console).map(consoleLine)), ...withTimes(linesOf(shim).map(shimLine))];
  // The sort is stable: lines with the same time keep their order.
  return lines.sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0)).map(({ line }) => line);
}

function withTimes(lines: readonly LogLine[]): { readonly at: string; readonly line: LogLine }[] {
  let at = "";
  return lines.map((line) => {
    if (line.time !== "") at = line.time;
    return { at, line };
  });
}

function linesOf(text: string): string[] {
  return text
    .split("\n")
    .map((line) => stripControls(line).trimEnd())
    .filter((line) => line !== "");
}

const isoTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

function consoleLine(line: string): LogLine {
  const [first = ""] = line.split(" ", 1);
  const [time, text] = isoTime.test(first) ? [first, line.slice(first.length + 1)] : ["", line];
  // The agent is the only program that prints JSON there. If something else in the guest imitates it, no harm is done.
  const said = text.startsWith("{") ? objectOf(text) : undefined;
  return { time, source: typeof said?.msg === "string" ? "agent" : "console", text };
}

function shimLine(line: string): LogLine {
  const [, time, text] = /^time=(\S+) (.*)$/.exec(line) ?? [];
  if (time !== undefined && text !== undefined && isoTime.test(time)) return { time, source: "shim", text };
  const said = line.startsWith("{") ? objectOf(line) : undefined;
  const told = typeof said?.time === "string" && isoTime.test(said.time) ? said.time : "";
  return { time: told, source: "shim", text: line };
}

function objectOf(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
