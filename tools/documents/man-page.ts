/**
 * Manual pages from the command table: one of the program, one of each verb. Makes their text, and does not write
 * files.
 */
import { commands } from "../../src/cli/command-table.ts";
import type { ArgumentSpec, CommandSpec, FlagSpec } from "../../src/cli/flag-spec.ts";
import { globalFlags, helpFlag } from "../../src/cli/global-flags.ts";
import { configFileVariable, defaultConfigPaths } from "../../src/config/find.ts";

/** The section for system administration. */
export const section = 8;

/** The text of each page by file name. `version` is the product's. */
export function manPages(version: string): ReadonlyMap<string, string> {
  const verbs: readonly CommandSpec[] = Object.values(commands);
  return new Map([
    [`kumite.${section}`, programPage(version, verbs)],
    ...verbs.map((spec) => [`kumite-${spec.name}.${section}`, verbPage(version, spec)] as const),
  ]);
}

function programPage(version: string, verbs: readonly CommandSpec[]): string {
  return page("kumite", version, "run every container in its own virtual machine", [
    [".SH SYNOPSIS", ".B kumite", "[\\fIglobal flags\\fR] \\fIverb\\fR [\\fIflags\\fR] [\\fIarguments\\fR]"],
    [
      ".SH DESCRIPTION",
      text(
        "kumite is an OCI runtime: podman, docker and other engines call it to create and run containers. Each container " +
          "runs in its own small virtual machine (VM), which is started for it and ends with it.",
      ),
    ],
    [".SH VERBS", ...verbs.flatMap(({ name, summary }) => [".TP", `.BR kumite\\-${name} (${section})`, text(summary)])],
    [".SH GLOBAL FLAGS", ...globalFlags.flatMap(flagLines)],
    [
      ".SH EXIT STATUS",
      text(
        "0 on success, 1 if a verb failed; 255 if exec failed. run and exec in the foreground exit with the status of the " +
          "program, or with 128 + n if signal n ended it: 137 also if the VM ended unexpectedly. 141 if the reader of a verb's " +
          "output has gone.",
      ),
    ],
    [
      ".SH FILES",
      ".TP",
      ".I /run/kumite",
      text("State of containers, one directory each, with the log of its shim. --root sets another directory."),
      ...defaultConfigPaths.flatMap((path) => [".TP", `.I ${escaped(path)}`]),
      text("Configuration; the first existing file is used. `kumite config default` prints an example."),
    ],
    [
      ".SH ENVIRONMENT",
      ".TP",
      `.B ${configFileVariable}`,
      text("Configuration file to use instead of the default ones, unless --config is given."),
    ],
    [
      ".SH EXAMPLES",
      text("Check the host, write a config.json next to the directory rootfs, and run it:"),
      ".PP",
      ".nf",
      ...["kumite check", "kumite spec --bundle DIR", "kumite run --bundle DIR first"].map(escaped),
      ".fi",
      ".PP",
      text("Use it as the runtime of podman:"),
      ".PP",
      ".nf",
      escaped("podman --runtime /usr/local/bin/kumite run --rm --network none IMAGE uname -r"),
      ".fi",
    ],
    [".SH SEE ALSO", ".BR runc (8),", ".BR podman (1)"],
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

/** A line of running text must not look like a roff request. */
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
