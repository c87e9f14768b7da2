/**
 * Turns the command line into a request: a verb with its flags and arguments, help, the version, or the configuration
 * paths. Checks what the command table describes; the verb checks what a value means.
 */
import { isKumiteError, KumiteError } from "../util/errors.ts";
import { nearest } from "../util/nearest.ts";
import { commands, isVerb, refusedVerbs, type Verb, verbAliases } from "./command-table.ts";
import type { ArgumentSpec, CommandSpec, FlagSpec, FlagValues } from "./flag-spec.ts";
import { globalFlags, helpFlag } from "./global-flags.ts";
import { parseFlags } from "./parse-flags.ts";

export type GlobalFlags = FlagValues<typeof globalFlags>;

/** One call of a verb. */
export interface Invocation<V extends Verb = Verb> {
  readonly verb: V;
  readonly flags: FlagValues<(typeof commands)[V]["flags"]>;
  readonly args: readonly string[];
  /** The command line of a verb that takes one, such as `exec`; otherwise empty. */
  readonly command: readonly string[];
}

export type Request =
  | { readonly kind: "invoke"; readonly invocation: AnyInvocation }
  | { readonly kind: "help"; readonly verb: Verb | undefined }
  | { readonly kind: "version" }
  | { readonly kind: "config-paths" };

/** All verbs except those that only print known text. */
type ActingVerb = Exclude<Verb, "help" | "version">;

/** A union over the verbs, so that a switch over `verb` narrows the type of the flags. */
export type AnyInvocation = { [V in ActingVerb]: Invocation<V> }[ActingVerb];

/** Parses the words before the verb. They are parsed first because they say where errors in the rest are logged. */
export function parseGlobal(words: readonly string[]): {
  readonly global: GlobalFlags;
  readonly verb: string | undefined;
  readonly rest: readonly string[];
} {
  try {
    const { flags, positionals, rest } = parseFlags(words, globalFlags, 1);
    return { global: flags, verb: positionals[0], rest };
  } catch (error) {
    throw isKumiteError(error, "usage/invalid") ? placed(error) : error;
  }
}

/** Adds a hint when a flag of some verbs was written before the verb. */
function placed(error: KumiteError): KumiteError {
  const { flag } = error.data;
  const having = Object.entries<CommandSpec>(commands).filter(([, { flags }]) =>
    flags.some(({ name }) => name === flag),
  );
  if (having.length === 0) return error;
  const verbs = having.map(([verb]) => verb);
  const hint = `write --${flag} after the verb: it is a flag of ${verbs.join(", ")}`;
  return new KumiteError(error.code, error.message, { hint, data: error.data });
}

/** @throws KumiteError `usage/invalid` or `oci/unsupported`, with a hint to the verb's help */
export function parseRequest(global: GlobalFlags, verb: string | undefined, rest: readonly string[]): Request {
  if (global.version) return { kind: "version" };
  if (global["kata-show-default-config-paths"]) return { kind: "config-paths" };
  if (verb === undefined) return helpRequest(global);
  const known = verbNamed(verb);
  if (global.help) return { kind: "help", verb: known };
  try {
    return parseVerb(known, rest);
  } catch (error) {
    throw isKumiteError(error, "usage/invalid", "oci/unsupported") ? explained(error, known) : error;
  }
}

function helpRequest(global: GlobalFlags): Request {
  if (global.help) return { kind: "help", verb: undefined };
  throw new KumiteError("usage/invalid", "no verb was given", { hint: "see `kumite help`" });
}

function parseVerb<V extends Verb>(verb: V, rest: readonly string[]): Request {
  const spec: CommandSpec = commands[verb];
  const specs: readonly FlagSpec[] = [...spec.flags, helpFlag];
  const stopAfter = spec.trailingCommand === true ? spec.arguments.length : undefined;
  const parsed = parseFlags(rest, specs, stopAfter);
  if (parsed.flags.help === true) return { kind: "help", verb };
  checkArguments(spec.arguments, parsed.positionals);
  if (verb === "version") return { kind: "version" };
  const [name] = parsed.positionals;
  if (verb === "help") return { kind: "help", verb: name === undefined ? undefined : verbNamed(name) };
  const command = parsed.rest[0] === "--" ? parsed.rest.slice(1) : parsed.rest;
  // The type holds because the values were parsed by this verb's own declarations.
  const invocation = { verb, flags: parsed.flags, args: parsed.positionals, command } as unknown as AnyInvocation;
  return { kind: "invoke", invocation };
}

function verbNamed(name: string): Verb {
  const verb = verbAliases.get(name) ?? name;
  if (isVerb(verb)) return verb;
  throw unknownVerb(name);
}

function checkArguments(specs: readonly ArgumentSpec[], given: readonly string[]): void {
  const missing = specs[given.length];
  if (missing !== undefined && missing.optional !== true) {
    throw new KumiteError("usage/invalid", `argument ${missing.name} is missing`);
  }
  for (const [index, { name, choices }] of specs.entries()) {
    const value = given[index];
    if (choices === undefined || value === undefined || choices.includes(value)) continue;
    throw new KumiteError("usage/invalid", `${name}: unknown value "${value}"`, {
      hint: `use one of: ${choices.join(", ")}`,
    });
  }
  const surplus = given[specs.length];
  if (surplus !== undefined && specs.at(-1)?.repeated !== true) {
    throw new KumiteError("usage/invalid", `unexpected argument "${surplus}"`);
  }
}

function unknownVerb(verb: string): KumiteError {
  const refusal = refusedVerbs.get(verb);
  if (refusal !== undefined) {
    const { because, hint } = refusal;
    return new KumiteError("oci/unsupported", `${verb} is not supported: ${because}`, { hint });
  }
  const close = nearest(verb, Object.keys(commands));
  const hint = close === undefined ? "see `kumite help`" : `did you mean \`kumite ${close}\`?`;
  return new KumiteError("usage/invalid", `unknown verb "${verb}"`, { hint });
}

function explained(error: KumiteError, verb: Verb): KumiteError {
  const { data } = error;
  const isGlobal = globalFlags.some((spec) => spec.name === data.flag);
  const hint = isGlobal ? `write --${data.flag} before the verb` : (error.hint ?? `see \`kumite ${verb} --help\``);
  return new KumiteError(error.code, `${verb}: ${error.message}`, { hint, data });
}
