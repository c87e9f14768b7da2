/** Help, made from the command table. */
import { commands, type Verb } from "../command-table.ts";
import type { ArgumentSpec, CommandSpec, FlagSpec } from "../flag-spec.ts";
import { globalFlags, helpFlag } from "../global-flags.ts";

/** Fits most people's terminals. */
const lineWidth = 100;

export function generalHelp(): string {
  const verbs = Object.values(commands).map(({ name, summary }) => [name, summary] as const);
  return [
    "kumite runs every container in its own small virtual machine (VM).",
    "",
    "Usage: kumite [global flags] VERB [flags] [arguments]",
    "",
    "Verbs:",
    columns(verbs),
    "",
    "Global flags:",
    columns(globalFlags.map(flagRow)),
    "",
    "`kumite VERB --help` describes a verb.",
    "",
  ].join("\n");
}

export function verbHelp(verb: Verb): string {
  const spec: CommandSpec = commands[verb];
  return [
    `Usage: kumite [global flags] ${verb} [flags]${argumentsText(spec)}`,
    "",
    `${capitalized(spec.summary)}.`,
    ...(spec.details === undefined ? [] : [spec.details]),
    "",
    "Flags:",
    columns([...spec.flags, helpFlag].map(flagRow)),
    "",
    "Global flags come before the verb; `kumite help` lists them.",
    "",
  ].join("\n");
}

function argumentsText({ arguments: specs, trailingCommand, trailingName }: CommandSpec): string {
  const trailing = trailingCommand === true ? ` [${trailingName ?? "COMMAND [ARGUMENT...]"}]` : "";
  return specs.map(argumentText).join("") + trailing;
}

function argumentText({ name, optional, repeated }: ArgumentSpec): string {
  const one = `${name}${repeated === true ? "..." : ""}`;
  return optional === true ? ` [${one}]` : ` ${one}`;
}

function flagRow(spec: FlagSpec): readonly [string, string] {
  const short = spec.short === undefined ? "    " : `-${spec.short}, `;
  const value = spec.kind === "switch" ? "" : ` ${spec.value}`;
  return [`${short}--${spec.name}${value}`, spec.help + restriction(spec)];
}

function restriction({ ignored, refused }: FlagSpec): string {
  if (refused !== undefined) return ` (refused: ${refused.because})`;
  return ignored === undefined ? "" : ` (no effect: ${ignored})`;
}

function columns(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([left]) => left.length)) + 2;
  const indent = `\n${" ".repeat(width + 2)}`;
  return rows
    .map(([left, right]) => `  ${left.padEnd(width)}${wrapped(right, lineWidth - width - 2).join(indent)}`)
    .join("\n");
}

function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}

function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
