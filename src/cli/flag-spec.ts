/**
 * The vocabulary of the command table: what a flag and a verb can be, and the types that follow from a declaration.
 * Knows no verb; the verbs are in `command-table.ts`.
 */

interface FlagBase {
  /** Long name, without dashes. */
  readonly name: string;
  /** One letter. */
  readonly short?: string;
  /** One line for people. A flag that takes a value says its default here. */
  readonly help: string;
  /** Set when the flag is taken and does nothing: the reason, for people. */
  readonly ignored?: string;
  /** Set when the flag is known and refused. */
  readonly refused?: Refusal;
}

/** Why something that other runtimes have is not there; texts for people. */
export interface Refusal {
  readonly because: string;
  /** What to do instead. */
  readonly hint: string;
}

export type FlagSpec =
  | (FlagBase & { readonly kind: "switch" })
  /** `value` is the placeholder shown in help; with `choices` nothing else is accepted. */
  | (FlagBase & { readonly kind: "text"; readonly value: string; readonly choices?: readonly string[] })
  /** A decimal number ≥ 0. */
  | (FlagBase & { readonly kind: "integer"; readonly value: string })
  /** May be given several times. */
  | (FlagBase & { readonly kind: "list"; readonly value: string });

export interface ArgumentSpec {
  readonly name: string;
  readonly optional?: boolean;
  /** One or more of them; only the last argument can be. */
  readonly repeated?: boolean;
  /** Nothing else is accepted. */
  readonly choices?: readonly string[];
  /** What a shell offers for it. */
  readonly completes?: "container" | "signal" | "verb" | "file";
}

export interface CommandSpec {
  readonly name: string;
  /** One line, for the list of verbs. */
  readonly summary: string;
  /** Whatever else the reader of `kumite VERB --help` should know. */
  readonly details?: string;
  readonly arguments: readonly ArgumentSpec[];
  /** Everything after the arguments is a command line that is not ours; its flags are left alone. */
  readonly trailingCommand?: boolean;
  /** How help calls that; default `COMMAND [ARGUMENT...]`. */
  readonly trailingName?: string;
  readonly flags: readonly FlagSpec[];
}

/** The values a list of flags can have, by long name. */
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
