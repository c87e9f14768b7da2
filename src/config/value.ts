/** Checks whether a value fits its key, and parses values given as text. Pure. */
import { parse, TomlError } from "smol-toml";
import { isRecord } from "../util/json.ts";
import { oneLine } from "../util/text.ts";
import type { ConfigEra, KeySpec, KeyValue, NumberKey, TextKey } from "./key.ts";

/** What is wrong with a value of a document, as text to follow the key's name. `undefined` if nothing is. */
export function faultOf(spec: KeySpec, value: unknown, era: ConfigEra = "3.x"): string | undefined {
  switch (spec.kind) {
    case "boolean":
      return typeof value === "boolean" ? undefined : mustBe("true or false", value);
    case "integer":
    case "number":
      return numberFault(spec, value, era);
    case "text":
      if (typeof value !== "string") return mustBe("a string", value);
      return value.includes("\0") ? "must not contain a NUL character" : undefined;
    case "list":
      return Array.isArray(value) && value.every((item) => typeof item === "string" && !item.includes("\0"))
        ? undefined
        : mustBe("a list of strings", value);
    case "boolean-or":
      return typeof value === "boolean" || spec.words.some((word) => value === word)
        ? undefined
        : mustBe(`true, false${spec.words.map((word) => ` or ${JSON.stringify(word)}`).join("")}`, value);
    case "tables":
      return entriesFault(spec.columns, value);
  }
}

function numberFault(spec: NumberKey, value: unknown, era: ConfigEra): string | undefined {
  const whole = spec.kind === "integer" || era !== "3.x";
  const unit = spec.unit === undefined ? "" : ` (${spec.unit})`;
  if (typeof value !== "number") return mustBe(`a number${unit}`, value);
  if ((whole ? Number.isInteger(value) : Number.isFinite(value)) && value >= spec.min && value <= spec.max) return;
  return `is ${value}, but must be ${whole ? "an integer" : "a number"} from ${spec.min} to ${spec.max}${unit}`;
}

function entriesFault(columns: readonly string[], value: unknown): string | undefined {
  if (!Array.isArray(value) || !value.every((entry) => isRecord(entry))) return mustBe("a list of tables", value);
  for (const entry of value as Record<string, unknown>[]) {
    for (const [name, item] of Object.entries(entry)) {
      if (!columns.includes(name))
        return `has an entry with the unknown key ${oneLine(name, 60)}; known keys: ${columns.join(", ")}`;
      if (typeof item !== "string") return `has an entry whose ${name} ${mustBe("a string", item)}`;
    }
  }
  return undefined;
}

/** What is wrong with a text of the right type: it is not one of the choices, or not a path. */
export function textFault(key: string, spec: TextKey, value: string): string | undefined {
  if (spec.choices !== undefined && !spec.choices.includes(value)) {
    const names = spec.choices.filter((choice) => choice !== "").map((choice) => JSON.stringify(choice));
    if (spec.fault !== undefined)
      return `${spec.fault} ${oneLine(value, 60)}: ${key} must be one of ${names.join(", ")}`;
    return `${key} is ${show(value)}, but must be one of ${names.join(", ")}`;
  }
  if (spec.path !== undefined && value !== "" && !value.startsWith("/")) {
    return `${key} is ${show(value)}, but must be an absolute path`;
  }
  return undefined;
}

function mustBe(what: string, value: unknown): string {
  return `must be ${what}, not ${show(value)}`;
}

export function show(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  if (value instanceof Date) return "a date";
  if (typeof value === "object" && value !== null) return "a table";
  return oneLine(JSON.stringify(value) ?? String(value), 80);
}

/** Like Go's strconv.ParseBool, with which Kata Containers parses annotations. */
export function parseBoolean(word: string): boolean | undefined {
  if (["1", "t", "T", "TRUE", "true", "True"].includes(word)) return true;
  if (["0", "f", "F", "FALSE", "false", "False"].includes(word)) return false;
  return undefined;
}

/** Parses a key's value from the command line. An invalid text is returned unchanged, so that `faultOf` reports it. */
export function valueFromText(spec: KeySpec, text: string): KeyValue {
  switch (spec.kind) {
    case "boolean":
      return parseBoolean(text) ?? text;
    case "boolean-or":
      return parseBoolean(text) ?? text;
    case "integer":
    case "number":
      return /^[+-]?\d+(\.\d+)?$/.test(text) ? Number(text) : text;
    case "text":
      return text;
    case "list":
      return text.startsWith("[") ? fromToml(text) : text === "" ? [] : text.split(",");
    case "tables":
      return fromToml(text);
  }
}

function fromToml(text: string): KeyValue {
  try {
    return parse(`value = ${text}`).value as KeyValue;
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    return text;
  }
}
