/** Completion for bash. Uses no functions of the package bash-completion, which may not be installed. */
import { commands } from "../command-table.ts";
import type { CommandSpec, FlagSpec } from "../flag-spec.ts";
import { globalFlags, helpFlag } from "../global-flags.ts";
import { isOffered, namesOf, type Offer, offerForArgument, offerForFlag } from "./offers.ts";

export function bashCompletion(): string {
  const verbs: readonly CommandSpec[] = Object.values(commands);
  return `# Completion of kumite for bash. Made by \`kumite completion bash\`.

_kumite_offer() {
  case $1 in
    words) COMPREPLY=($(compgen -W "$2" -- "$cur")) ;;
    containers) COMPREPLY=($(compgen -W "$(kumite "\${root[@]}" list -q 2>/dev/null)" -- "$cur")) ;;
    files) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    directories) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
  esac
}

# What to offer for the value of a flag, given as VERB:FLAG.
_kumite_value() {
  case $1 in
${cases([...valueCases("", globalFlags), ...verbs.flatMap(({ name, flags }) => valueCases(name, flags))])}
    *) return 1 ;;
  esac
}

# The flags of a verb.
_kumite_flags() {
  case $1 in
${cases([flagCase("", globalFlags), ...verbs.map(({ name, flags }) => flagCase(name, [...flags, helpFlag]))])}
  esac
}

# What to offer for an argument, given as VERB:POSITION.
_kumite_argument() {
  case $1 in
    :*) echo words ${quoted(Object.keys(commands))} ;;
${cases(verbs.flatMap(argumentCases))}
  esac
}

_kumite() {
  local cur=\${COMP_WORDS[COMP_CWORD]} verb= flag= word value count=0 i root=()
  [[ $cur != = ]] || cur=
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    if [[ $word == -?* ]]; then
      _kumite_value "$verb:$word" >/dev/null || continue
      ((i++))
      # bash splits --flag=value into three words.
      [[ \${COMP_WORDS[i]} != = ]] || { ((i < COMP_CWORD)) && ((i++)); }
      value=\${COMP_WORDS[i]}
      if ((i >= COMP_CWORD)); then flag=$word
      elif [[ $verb:$word == :--root ]]; then root=(--root "$value"); fi
    elif [[ -z $verb ]]; then verb=$word
    else ((count++))
    fi
  done
  local offer
  if [[ -n $flag ]]; then offer=$(_kumite_value "$verb:$flag")
  elif [[ $cur == -* ]]; then offer="words $(_kumite_flags "$verb")"
  else offer=$(_kumite_argument "$verb:$count")
  fi
  COMPREPLY=()
  _kumite_offer "\${offer%% *}" "\${offer#* }"
}

complete -F _kumite kumite
`;
}

interface Case {
  readonly pattern: string;
  readonly action: string;
}

function cases(list: readonly Case[]): string {
  return list.map(({ pattern, action }) => `    ${pattern}) ${action} ;;`).join("\n");
}

function valueCases(verb: string, flags: readonly FlagSpec[]): Case[] {
  return flags.flatMap((flag) => {
    const offer = offerForFlag(flag);
    if (offer === undefined) return [];
    return [
      {
        pattern: namesOf(flag)
          .map((name) => `${verb}:${name}`)
          .join(" | "),
        action: echo(offer),
      },
    ];
  });
}

function flagCase(verb: string, flags: readonly FlagSpec[]): Case {
  const names = flags.filter(isOffered).flatMap(namesOf);
  return { pattern: verb === "" ? "''" : verb, action: `echo ${quoted(names)}` };
}

function argumentCases({ name, arguments: specs }: CommandSpec): Case[] {
  return specs.flatMap((spec, index) => {
    const offer = offerForArgument(spec);
    if (offer.kind === "nothing") return [];
    return [{ pattern: `${name}:${spec.repeated === true ? "*" : index}`, action: echo(offer) }];
  });
}

function echo(offer: Offer): string {
  return offer.kind === "words" ? `echo words ${quoted(offer.words)}` : `echo ${offer.kind}`;
}

/** Names from the command table contain nothing that needs quoting. */
function quoted(words: readonly string[]): string {
  return `'${words.join(" ")}'`;
}
