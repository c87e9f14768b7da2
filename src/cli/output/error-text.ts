/**
 * Formats a failure: for people as a short paragraph, for a log as one line. Knows neither where the text goes nor what
 * failed. Text may come from a guest and is cleaned of control characters.
 */
import { causesOf, errorChain, KumiteError, messageOf, SystemError } from "../../util/errors.ts";
import { oneLine, stripControls } from "../../util/text.ts";

const maxConsoleLines = 30;
/** Longest message in the log, in characters. */
const maxLogMessage = 4096;

/**
 * ```
 * kumite: what failed (phase, 312 ms)
 *   because: why
 *   console: the last lines of the guest
 *   try: what to do
 * ```
 * Ends with a newline. Parts that the error does not have are omitted.
 */
export function errorParagraph(error: unknown): string {
  const lines = [`kumite: ${shown(error)}${circumstances(error)}`];
  for (const cause of causesOf(error)) lines.push(`  because: ${indented(shown(cause), 11)}`);
  const console = consoleOf(error);
  if (console !== undefined) {
    lines.push(`  console: ${console.length === 0 ? "(nothing was printed)" : console.join("\n           ")}`);
  }
  const hint = hintOf(error);
  if (hint !== undefined) lines.push(`  try: ${indented(stripControls(hint), 7)}`);
  return `${lines.join("\n")}\n`;
}

/** The same on one line, for engines that show the message of a log entry to their users. */
export function errorLine(error: unknown): string {
  const parts = [[shown(error), ...causesOf(error).map(shown)].join(": ")];
  const console = consoleOf(error);
  if (console !== undefined && console.length > 0) parts.push(`console: ${console.join(" | ")}`);
  const hint = hintOf(error);
  if (hint !== undefined) parts.push(`try: ${hint}`);
  return oneLine(parts.join("; "), maxLogMessage);
}

/** Fields of the log entry, for programs that read it. */
export function errorFields(error: unknown): { code: string; phase?: string } {
  if (!(error instanceof KumiteError)) return { code: error instanceof SystemError ? "system/failed" : "internal" };
  return error.phase === undefined ? { code: error.code } : { code: error.code, phase: error.phase };
}

/** The error's message, cleaned. May contain several lines. */
function shown(error: unknown): string {
  return stripControls(messageOf(error)).trimEnd();
}

function circumstances(error: unknown): string {
  if (!(error instanceof KumiteError)) return error instanceof SystemError ? "" : " (internal error)";
  const { elapsedMs } = error.data;
  const parts = [error.phase, typeof elapsedMs === "number" ? `${Math.round(elapsedMs)} ms` : undefined];
  const known = parts.filter((part) => part !== undefined);
  return known.length === 0 ? "" : ` (${known.join(", ")})`;
}

/** The console lines of the nearest error in the chain that has some. */
function consoleOf(error: unknown): string[] | undefined {
  const lines = firstOf(error, ({ data }) => (Array.isArray(data.console) ? data.console : undefined));
  return lines?.slice(-maxConsoleLines).map((line) => oneLine(String(line)));
}

function hintOf(error: unknown): string | undefined {
  if (error instanceof Error && !(error instanceof KumiteError) && !(error instanceof SystemError)) {
    return "this is a bug in kumite: please report it with the steps that led to it";
  }
  return firstOf(error, ({ hint }) => hint);
}

function firstOf<T>(error: unknown, look: (error: KumiteError) => T | undefined): T | undefined {
  for (const at of errorChain(error)) {
    const found = at instanceof KumiteError ? look(at) : undefined;
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Indents all lines after the first. */
function indented(text: string, width: number): string {
  return text.replaceAll("\n", `\n${" ".repeat(width)}`);
}
