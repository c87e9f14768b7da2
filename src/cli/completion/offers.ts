/** What a shell offers for a value of the command line, from the command table. Knows no shell. */
import { signalNumbers } from "../../util/signals.ts";
import { commands } from "../command-table.ts";
import type { ArgumentSpec, FlagSpec } from "../flag-spec.ts";

export type Offer =
  | { readonly kind: "words"; readonly words: readonly string[] }
  /** Ids, from `kumite list -q`. */
  | { readonly kind: "containers" }
  | { readonly kind: "files" }
  | { readonly kind: "directories" }
  | { readonly kind: "nothing" };

/** `undefined` for a flag without a value. */
export function offerForFlag(flag: FlagSpec): Offer | undefined {
  if (flag.kind === "switch") return undefined;
  if (flag.kind === "text" && flag.choices !== undefined) return { kind: "words", words: flag.choices };
  switch (flag.value) {
    case "FILE":
    case "SOCKET":
      return { kind: "files" };
    case "DIR":
      return { kind: "directories" };
    default:
      return { kind: "nothing" };
  }
}

export function offerForArgument({ choices, completes }: ArgumentSpec): Offer {
  if (choices !== undefined) return { kind: "words", words: choices };
  if (completes === undefined) return { kind: "nothing" };
  switch (completes) {
    case "container":
      return { kind: "containers" };
    case "signal":
      return { kind: "words", words: Object.keys(signalNumbers).map((name) => name.slice("SIG".length)) };
    case "file":
      return { kind: "files" };
    case "verb":
      return { kind: "words", words: Object.keys(commands) };
  }
}

/** For example `--bundle`, `-b`. */
export function namesOf({ name, short }: FlagSpec): string[] {
  return short === undefined ? [`--${name}`] : [`--${name}`, `-${short}`];
}

/** A flag that is refused is not offered. */
export function isOffered({ refused }: FlagSpec): boolean {
  return refused === undefined;
}
