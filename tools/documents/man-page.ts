/** Manual pages from the command table: one of the program, one of each verb. Makes text; where it goes is not known here. */
import { commands } from "../../src/cli/command-table.ts";
import type { ArgumentSpec, CommandSpec, FlagSpec } from "../../src/cli/flag-spec.ts";
import { globalFlags, helpFlag } from "../../src/cli/global-flags.ts";

/** Administration. */
export const section = 8;

/** By file name, each with its text. `version` is the product's. */
export function manPages(version: string): ReadonlyMap<string, string> {
  const verbs: readonly CommandSpec[] = Object.values(commands);
  return new Map([
    [`kumite.${section}`, programPage(version, verbs)],
    ...verbs.map((spec) => [`kumite-${spec.name}.${section}`, verbPage(version, spec)] as const),
  ]);
}

function programPage(version: string, verbs: readonly CommandSpec[]): string {
  return page("kumite", version, "run every container in a virtual machine of its own", [
    [".SH SYNOPSIS", ".B kumite", "[\\fIglobal flags\\fR] \\fIverb\\fR [\\fIflags\\fR] [\\fIarguments\\fR]"],
    [
      ".SH DESCRIPTION",
      text(
        "kumite is an OCI runtime: podman, docker and other engines call it to create and run containers. Each container " +
          "runs in a small virtual machine that is started for it and gone with it.",
      ),
    ],
    [".SH VERBS", ...verbs.flatMap(({ name, summary }) => [".TP", `.BR kumite\\-${name} (${section})`, text(summary)])],
    [".SH GLOBAL FLAGS", ...globalFlags.flatMap(flagLines)],
    [
      ".SH EXIT STATUS",
      text(
        "0, or 1 when a verb could not do what was asked, 255 in the case of exec. run and exec in the foreground end with " +
          "the status of the program, or with 128 and the number of the signal that ended it.",
      ),
    ],
    [
      ".SH FILES",
      ".TP",
      ".I /run/kumite",
      text("state of containers: a directory for each, with the log of its shim"),
      ".TP",
      ".I /etc/kumite/configuration.toml",
      text("configuration"),
    ],
  ]);
}

function verbPage(version: string, spec: CommandSpec): string {
  const { name, summary, details, flags } = spec;
  return page(`kumite-${name}`, version, summary, [
    [".SH SYNOPSIS", `.B kumite ${escaped(name)}`, `[\\fIflags\\fR]${argumentsText(spec)}`],
    [".SH DESCRIPTION", text(`${capitalized(summary)}.`), ...(details ?? "").split("\n").filter(Boolean).map(text)],
    [".SH FLAGS", ...[...flags, helpFlag].flatMap(flagLines)],
    [".SH SEE ALSO", `.BR kumite (${section})`],
  ]);
}

function page(name: string, version: string, summary: string, sections: readonly (readonly string[])[]): string {
  const heading = [
    '.\\" Made from the command table of kumite.',
    `.TH ${name.toUpperCase().replaceAll("-", "\\-")} ${section} "" "kumite ${version}" "System administration"`,
    ".SH NAME",
    `${escaped(name)} \\- ${escaped(summary)}`,
  ];
  return `${[...heading, ...sections.flat()].join("\n")}\n`;
}

function argumentsText({ arguments: specs, trailingCommand, trailingName }: CommandSpec): string {
  const trailing = trailingName ?? "COMMAND [ARGUMENT...]";
  return specs.map(argumentText).join("") + (trailingCommand === true ? ` [${escaped(trailing)}]` : "");
}

function argumentText({ name, optional, repeated, choices }: ArgumentSpec): string {
  const shown = choices === undefined ? `\\fI${escaped(name)}\\fR` : choices.map(escaped).join("|");
  const one = `${shown}${repeated === true ? "..." : ""}`;
  return optional === true ? ` [${one}]` : ` ${one}`;
}

function flagLines(flag: FlagSpec): string[] {
  const { name, short, help, ignored, refused } = flag;
  const value = flag.kind === "switch" ? "" : ` \\fI${escaped(flag.value)}\\fR`;
  const names = [short === undefined ? [] : [`\\fB\\-${short}\\fR`], `\\fB\\-\\-${escaped(name)}\\fR${value}`].flat();
  const lines = [".TP", names.join(", "), text(`${capitalized(help)}.`)];
  if (ignored !== undefined) lines.push(text(`No effect: ${ignored}.`));
  if (refused !== undefined) lines.push(text(`Refused: ${refused.because}.`));
  return lines;
}

/** A line of running text must not look like a request. */
function text(line: string): string {
  const plain = escaped(line).replace(/`([^`]*)`/g, "\\fB$1\\fR");
  return /^[.']/.test(plain) ? `\\&${plain}` : plain;
}

function escaped(line: string): string {
  return line.replaceAll("\\", "\\e").replaceAll("-", "\\-");
}

function capitalized(line: string): string {
  return line.charAt(0).toUpperCase() + line.slice(1);
}
