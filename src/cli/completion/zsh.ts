/** Completion for zsh, by its own `_arguments`. */
import { commands } from "../command-table.ts";
import type { ArgumentSpec, CommandSpec, FlagSpec } from "../flag-spec.ts";
import { globalFlags, helpFlag } from "../global-flags.ts";
import { isOffered, type Offer, offerForArgument, offerForFlag } from "./offers.ts";

export function zshCompletion(): string {
  const verbs: readonly CommandSpec[] = Object.values(commands);
  return `#compdef kumite
# Completion of kumite for zsh. Made by \`kumite completion zsh\`.

_kumite_containers() {
  local -a ids root
  [[ -z \${opt_args[--root]} ]] || root=(--root \${opt_args[--root]})
  ids=(\${(f)"$(_call_program containers kumite $root list -q 2>/dev/null)"})
  _describe container ids
}

_kumite_verbs() {
  local -a verbs
  verbs=(
${verbs.map(({ name, summary }) => `    ${quoted(`${name}:${summary}`)}`).join("\n")}
  )
  _describe verb verbs
}

_kumite() {
  local curcontext=$curcontext state line
  typeset -A opt_args
  _arguments -C -S \\
${globalFlags.filter(isOffered).map(flagLine).join("")}    '1:verb:_kumite_verbs' \\
    '*::argument:->arguments'
  [[ $state == arguments ]] || return
  # Now the verb is the first word, and its arguments are counted from there.
  case $words[1] in
${verbs.map(verbCase).join("\n")}
  esac
}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _kumite "$@"; else compdef _kumite kumite; fi
`;
}

function verbCase({ name, flags, arguments: specs, trailingCommand }: CommandSpec): string {
  const lines = [...flags, helpFlag].filter(isOffered).map(flagLine);
  lines.push(...specs.map(argumentLine));
  if (trailingCommand === true) lines.push("    '*:: :_normal' \\\n");
  return `  ${name}) _arguments -S \\\n${lines.join("")}    && return ;;`;
}

function flagLine(flag: FlagSpec): string {
  const { name, short, help } = flag;
  const offer = offerForFlag(flag);
  const value = offer === undefined || flag.kind === "switch" ? "" : `:${escaped(flag.value)}:${action(offer)}`;
  const long = offer === undefined ? `--${name}` : `--${name}=`;
  const many = flag.kind === "list" ? "*" : "";
  const text = `[${escaped(help)}]${value}`;
  if (short === undefined) return `    ${quoted(`${many}${long}${text}`)} \\\n`;
  const excluded = many === "" ? `'(-${short} --${name})'` : "'*'";
  return `    ${excluded}{-${short}${offer === undefined ? "" : "+"},${long}}${quoted(text)} \\\n`;
}

function argumentLine(spec: ArgumentSpec, index: number): string {
  const position = spec.repeated === true ? "*" : `${index + 1}`;
  return `    ${quoted(`${position}:${spec.name}:${action(offerForArgument(spec))}`)} \\\n`;
}

function action(offer: Offer): string {
  switch (offer.kind) {
    case "words":
      return `(${offer.words.join(" ")})`;
    case "containers":
      return "_kumite_containers";
    case "files":
      return "_files";
    case "directories":
      return "_files -/";
    case "nothing":
      return " ";
  }
}

function escaped(text: string): string {
  return text.replace(/[\\[\]:]/g, (character) => `\\${character}`);
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
