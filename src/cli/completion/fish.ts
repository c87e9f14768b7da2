/** Completion for fish. */
import { commands } from "../command-table.ts";
import type { CommandSpec, FlagSpec } from "../flag-spec.ts";
import { globalFlags, helpFlag } from "../global-flags.ts";
import { isOffered, type Offer, offerForArgument, offerForFlag } from "./offers.ts";

const noVerb = "__kumite_is ''";

export function fishCompletion(): string {
  const verbs: readonly CommandSpec[] = Object.values(commands);
  const lines = [
    ...globalFlags.filter(isOffered).map((flag) => flagLine(noVerb, flag)),
    ...verbs.map(({ name, summary }) => line(noVerb, `-a ${name} -d ${quoted(summary)}`)),
    ...verbs.flatMap(verbLines),
  ];
  return `# Completion of kumite for fish. Made by \`kumite completion fish\`.

# Prints the verb and the number of its arguments so far, or an empty line without a verb. Skips values of global flags.
function __kumite_verb
    set -l words (commandline -opc)
    set -e words[1]
    while set -q words[1]
        switch $words[1]
            case ${globalFlags
              .filter(takesValue)
              .map(({ name }) => `--${name}`)
              .join(" ")}
                set -e words[1]
            case '-*'
            case '*'
                echo $words[1]
                set -e words[1]
                count (string match -rv '^-' -- $words)
                return
        end
        set -e words[1]
    end
    echo
end

function __kumite_is
    set -l call (__kumite_verb)
    test "$call[1]" = $argv[1]; or return
    not set -q argv[2]; or test "$call[2]" = $argv[2]
end

function __kumite_containers
    set -l root
    set -l words (commandline -opc)
    for i in (seq (count $words))
        switch $words[$i]
            case --root
                set root --root $words[(math $i + 1)]
            case '--root=*'
                set root $words[$i]
        end
    end
    kumite $root list -q 2>/dev/null
end

complete -c kumite -f
${lines.join("\n")}
`;
}

function verbLines({ name, flags, arguments: specs }: CommandSpec): string[] {
  const condition = `__kumite_is ${name}`;
  return [
    ...[...flags, helpFlag].filter(isOffered).map((flag) => flagLine(condition, flag)),
    ...specs.flatMap((spec, index) => {
      const offer = offerForArgument(spec);
      if (offer.kind === "nothing") return [];
      // The count includes values of flags, so the position is tested only for verbs with several arguments.
      return [line(specs.length > 1 ? `${condition} ${index}` : condition, offered(offer))];
    }),
  ];
}

function flagLine(condition: string, flag: FlagSpec): string {
  const offer = offerForFlag(flag);
  const short = flag.short === undefined ? "" : `-s ${flag.short} `;
  const value = offer === undefined ? "" : `${offer.kind === "files" ? "-r" : "-x"} ${offered(offer)}`;
  return line(condition, `${short}-l ${flag.name} ${value} -d ${quoted(flag.help)}`);
}

function line(condition: string, rest: string): string {
  return `complete -c kumite -n ${quoted(condition)} ${rest.replace(/ +/g, " ")}`;
}

function offered(offer: Offer): string {
  switch (offer.kind) {
    case "words":
      return `-a ${quoted(offer.words.join(" "))}`;
    case "containers":
      return "-a '(__kumite_containers)'";
    case "files":
      return "-F";
    case "directories":
      return "-a '(__fish_complete_directories (commandline -ct))'";
    case "nothing":
      return "";
  }
}

function takesValue({ kind }: FlagSpec): boolean {
  return kind !== "switch";
}

function quoted(text: string): string {
  return `'${text.replace(/[\\']/g, (character) => `\\${character}`)}'`;
}
