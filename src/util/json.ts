/**
 * JSON parsing with error positions. The engines' own messages differ and some have no position, so a text that does
 * not parse is scanned again, slowly, for the position. Knows nothing of the expected content.
 */
import { isOutOfMemory } from "./errors.ts";

/** The position of the first character that cannot be part of the document, counted from 1. */
export class JsonSyntaxError extends Error {
  override readonly name = "JsonSyntaxError";
  readonly line: number;
  readonly column: number;

  constructor(what: string, line: number, column: number) {
    super(`line ${line}, column ${column}: ${what}`);
    this.line = line;
    this.column = column;
  }
}

/** Deeper than any real document, and far from exhausting the stack: values are walked recursively. */
const deepestNesting = 100;

/** @throws JsonSyntaxError, also for a text that is nested deeper than 100 */
export function parseJson(text: string): unknown {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    throw isOutOfMemory(error) ? error : (locate(text) ?? error);
  }
  if (isDeeper(document, deepestNesting)) throw locate(text) ?? new JsonSyntaxError(tooDeep, 1, 1);
  return document;
}

const tooDeep = `nested deeper than ${deepestNesting}`;

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (levels === 0) return true;
  for (const key in value) if (isDeeper((value as Record<string, unknown>)[key], levels - 1)) return true;
  return false;
}

/** Removes keys whose value is null, at any depth, in place: writers of OCI documents use null for "not given". */
export function dropNulls(value: unknown): unknown {
  if (Array.isArray(value)) for (const item of value) dropNulls(item);
  else if (isRecord(value)) {
    for (const [key, item] of Object.entries(value)) {
      if (item === null) delete value[key];
      else dropNulls(item);
    }
  }
  return value;
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

class Fault extends Error {
  readonly at: number;
  constructor(at: number, what: string) {
    super(what);
    this.at = at;
  }
}

function locate(text: string): JsonSyntaxError | undefined {
  try {
    const end = skipSpace(text, value(text, skipSpace(text, 0)));
    if (end < text.length) throw new Fault(end, "expected the end of the document");
    return undefined;
  } catch (error) {
    if (!(error instanceof Fault)) return undefined;
    const before = text.slice(0, error.at);
    const line = before.split("\n").length;
    const what = error.at >= text.length ? "the document ends too early" : error.message;
    return new JsonSyntaxError(what, line, error.at - before.lastIndexOf("\n"));
  }
}

function skipSpace(text: string, at: number): number {
  while (at < text.length && " \t\r\n".includes(text.charAt(at))) at++;
  return at;
}

/** Each scanner takes the position of its first character and returns the position after its last. */
function value(text: string, at: number, depth = 0): number {
  if (depth > deepestNesting) throw new Fault(at, tooDeep);
  switch (text.charAt(at)) {
    case "{": {
      const named = (key: number) => colon(text, string(text, key, "expected a key in quotes"));
      return members(text, at, "}", (key) => value(text, named(key), depth + 1));
    }
    case "[":
      return members(text, at, "]", (item) => value(text, item, depth + 1));
    case '"':
      return string(text, at, "expected a string");
    default:
      return literal(text, at);
  }
}

function members(text: string, open: number, close: "}" | "]", member: (at: number) => number): number {
  let at = skipSpace(text, open + 1);
  if (text.charAt(at) === close) return at + 1;
  for (;;) {
    at = skipSpace(text, member(at));
    if (text.charAt(at) === close) return at + 1;
    if (text.charAt(at) !== ",") throw new Fault(at, `expected "," or "${close}"`);
    at = skipSpace(text, at + 1);
  }
}

function colon(text: string, afterKey: number): number {
  const at = skipSpace(text, afterKey);
  if (text.charAt(at) !== ":") throw new Fault(at, 'expected ":"');
  return skipSpace(text, at + 1);
}

function string(text: string, open: number, missing: string): number {
  if (text.charAt(open) !== '"') throw new Fault(open, missing);
  for (let at = open + 1; at < text.length; at++) {
    const character = text.charAt(at);
    if (character === '"') return at + 1;
    if (character < " ") throw new Fault(at, "control character in a string");
    if (character === "\\") {
      const sequence = /^(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/.exec(text.slice(at + 1, at + 6));
      if (sequence === null) throw new Fault(at, "unknown escape in a string");
      at += sequence[0].length;
    }
  }
  throw new Fault(text.length, "");
}

function literal(text: string, at: number): number {
  const token = /^(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)/.exec(text.slice(at, at + 400));
  if (token === null) throw new Fault(at, "expected a value");
  return at + token[0].length;
}
