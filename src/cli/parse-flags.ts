/**
 * Parses flags the way engines write them for runc: one or two dashes before a long name, `--name=value` or `--name
 * value` (the next word is always taken as the value), switches with an optional `=true`, flags and arguments mixed. In
 * addition, one-letter switches may be grouped (`-it`). Knows flags, not verbs.
 */
import { KumiteError } from "../util/errors.ts";
import { nearest } from "../util/nearest.ts";
import type { FlagSpec, FlagValues } from "./flag-spec.ts";

export interface ParsedFlags<Flags extends readonly FlagSpec[]> {
  readonly flags: FlagValues<Flags>;
  readonly positionals: readonly string[];
  /** The words after the last positional that `stopAfter` asked for; empty without `stopAfter`. */
  readonly rest: readonly string[];
}

/**
 * `stopAfter` ends parsing after that many positionals: the verb itself, or the id before a command.
 * @throws KumiteError `usage/invalid`, naming the flag
 */
export function parseFlags<const Flags extends readonly FlagSpec[]>(
  args: readonly string[],
  specs: Flags,
  stopAfter = Number.POSITIVE_INFINITY,
): ParsedFlags<Flags> {
  const given = new Map<string, string[]>();
  const positionals: string[] = [];
  const words = new WordReader(args);
  let flagsMayFollow = true;
  while (positionals.length < stopAfter) {
    const word = words.next();
    if (word === undefined) break;
    if (flagsMayFollow && word === "--") flagsMayFollow = false;
    else if (flagsMayFollow && word.startsWith("-") && word !== "-") readFlag(word, words, specs, given);
    else positionals.push(word);
  }
  return { flags: valuesOf(specs, given), positionals, rest: words.remaining() };
}

class WordReader {
  #index = 0;
  readonly #words: readonly string[];

  constructor(words: readonly string[]) {
    this.#words = words;
  }

  next(): string | undefined {
    return this.#words[this.#index++];
  }

  remaining(): readonly string[] {
    return this.#words.slice(this.#index);
  }
}

function readFlag(word: string, words: WordReader, specs: readonly FlagSpec[], given: Map<string, string[]>): void {
  const equals = word.indexOf("=");
  const shown = equals < 0 ? word : word.slice(0, equals);
  const inline = equals < 0 ? undefined : word.slice(equals + 1);
  const spec = findFlag(shown, specs);
  if (spec !== undefined) {
    add(given, spec, inline ?? (spec.kind === "switch" ? "true" : valueAfter(shown, spec, words)));
    return;
  }
  const group = inline === undefined ? findGroup(word, specs) : undefined;
  if (group === undefined) throw unknownFlag(shown, specs);
  for (const member of group) add(given, member, "true");
}

/** `-bundle` and `--bundle` are the same flag, as are `-b` and `--b`. */
function findFlag(shown: string, specs: readonly FlagSpec[]): FlagSpec | undefined {
  const name = shown.replace(/^--?/, "");
  return specs.find((spec) => spec.name === name || spec.short === name);
}

function findGroup(word: string, specs: readonly FlagSpec[]): FlagSpec[] | undefined {
  if (word.startsWith("--")) return undefined;
  const members = [...word.slice(1)].map((letter) =>
    specs.find((spec) => spec.short === letter && spec.kind === "switch"),
  );
  return members.every((member) => member !== undefined) ? members : undefined;
}

function valueAfter(shown: string, spec: Exclude<FlagSpec, { kind: "switch" }>, words: WordReader): string {
  const value = words.next();
  if (value === undefined) throw usageError(`flag ${shown} needs a value`, `write \`${shown} ${spec.value}\``);
  return value;
}

function add(given: Map<string, string[]>, spec: FlagSpec, value: string): void {
  const values = given.get(spec.name);
  if (values === undefined) given.set(spec.name, [value]);
  else values.push(value);
}

function unknownFlag(shown: string, specs: readonly FlagSpec[]): KumiteError {
  const name = shown.replace(/^--?/, "");
  const close = nearest(
    name,
    specs.map((spec) => spec.name),
  );
  return new KumiteError("usage/invalid", `unknown flag ${shown}`, {
    data: { flag: name },
    ...(close !== undefined && { hint: `did you mean --${close}?` }),
  });
}

function valuesOf<Flags extends readonly FlagSpec[]>(
  specs: Flags,
  given: ReadonlyMap<string, readonly string[]>,
): FlagValues<Flags> {
  const values = specs.map((spec) => [spec.name, readValue(spec, given.get(spec.name) ?? [])]);
  return Object.fromEntries(values) as FlagValues<Flags>;
}

/** If a flag with one value is repeated, the last one wins. An empty text counts as not given, as with runc. */
function readValue(
  spec: FlagSpec,
  given: readonly string[],
): boolean | string | number | readonly string[] | undefined {
  const last = given.at(-1);
  if (spec.refused !== undefined && last !== undefined && last !== "" && last !== "false") {
    const { because, hint } = spec.refused;
    throw new KumiteError("oci/unsupported", `--${spec.name} is not supported: ${because}`, { hint });
  }
  switch (spec.kind) {
    case "switch":
      return last === undefined ? false : switchValue(spec.name, last);
    case "list":
      return given;
    case "integer":
      return last === undefined || last === "" ? undefined : integerValue(spec.name, last);
    case "text":
      return last === undefined || last === "" ? undefined : textValue(spec, last);
  }
}

function switchValue(name: string, text: string): boolean {
  switch (text.toLowerCase()) {
    case "true":
    case "t":
    case "1":
      return true;
    case "false":
    case "f":
    case "0":
      return false;
    default:
      throw usageError(`--${name}: "${text}" is neither true nor false`);
  }
}

function integerValue(name: string, text: string): number {
  if (!/^[0-9]{1,9}$/.test(text)) throw usageError(`--${name}: "${text}" is not a number`);
  return Number(text);
}

function textValue(spec: Extract<FlagSpec, { kind: "text" }>, text: string): string {
  if (spec.choices !== undefined && !spec.choices.includes(text)) {
    throw usageError(`--${spec.name}: unknown value "${text}"`, `use one of: ${spec.choices.join(", ")}`);
  }
  return text;
}

function usageError(message: string, hint?: string): KumiteError {
  return new KumiteError("usage/invalid", message, hint === undefined ? {} : { hint });
}
