/**
 * The vocabulary of the command table: what a flag and a verb can be, and the types derived from a declaration. Knows
 * no verb; the verbs are in `command-table.ts`.
 */

interface FlagBase {
  /** Long name, without dashes. */
  readonly name: string;
  /** One letter. */
  readonly short?: string;
  /** One line of help. The help of a flag that takes a value names its default. */
  readonly help: string;
  /** Set when the flag is accepted without effect: the reason, for the help text. */
  readonly ignored?: string;
  /** Set when the flag is known and refused. */
  readonly refused?: Refusal;
}

/** Why a feature of other runtimes is missing. Shown to users. */
export interface Refusal {
  readonly because: string;
  /** What to do instead. */
  readonly hint: string;
}

export type FlagSpec =
  | (FlagBase & { readonly kind: "switch" })
  /** `value` is the placeholder in the help text. If there are `choices`, no other value is accepted. */
  | (FlagBase & { readonly kind: "text"; readonly value: string; readonly choices?: readonly string[] })
  /** A decimal number ≥ 0. */
  | (FlagBase & { readonly kind: "integer"; readonly value: string })
  /** May be given several times. */
  | (FlagBase & { readonly kind: "list"; readonly value: string });

export interface ArgumentSpec {
  readonly name: string;
  readonly optional?: boolean;
  /** One or more values; allowed for the last argument only. */
  readonly repeated?: boolean;
  /** No other value is accepted. */
  readonly choices?: readonly string[];
  /** What shell completion offers. */
  readonly completes?: "container" | "signal" | "verb" | "file";
}

export interface CommandSpec {
  readonly name: string;
  /** One line, for the list of verbs. */
  readonly summary: string;
  /** Further text for `kumite VERB --help`. */
  readonly details?: string;
  readonly arguments: readonly ArgumentSpec[];
  /** Everything after the arguments is a command line of its own; its flags are not parsed. */
  readonly trailingCommand?: boolean;
  /** What the help text calls that command line; default `COMMAND [ARGUMENT...]`. */
  readonly trailingName?: string;
  readonly flags: readonly FlagSpec[];
}

/** The values of a list of flags, by long name. */
export type FlagValues<Flags extends readonly FlagSpec[]> = {
  readonly [Flag in Flags[number] as Flag["name"]]: FlagValue<Flag>;
};

type FlagValue<Flag extends FlagSpec> = Flag extends { kind: "switch" }
  ? boolean
  : Flag extends { kind: "list" }
    ? readonly string[]
    : Flag extends { kind: "integer" }
      ? number | undefined
      : Flag extends { choices: readonly (infer Choice)[] }
        ? Choice | undefined
        : string | undefined;
