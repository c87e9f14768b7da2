/**
 * Typed reading of a JSON document from the wire: every value is checked when it is read, and errors name its key.
 * Knows nothing of the document's meaning.
 */
import { KumiteError } from "../../util/errors.ts";
import { isRecord } from "../../util/json.ts";
import { wrong } from "./wrong.ts";

export const maxId = 0xffff_fffe;

/** One object of the document, with its position. */
export class Fields {
  readonly #values: Readonly<Record<string, unknown>>;
  readonly where: string;

  constructor(value: unknown, where: string) {
    if (!isRecord(value)) throw wrong(where === "" ? "the document" : where, "must be an object");
    this.#values = value;
    this.where = where;
  }

  key(name: string): string {
    return this.where === "" ? name : `${this.where}.${name}`;
  }

  /** Keys of the object, for objects whose keys are data. */
  names(): string[] {
    return Object.keys(this.#values);
  }

  has(name: string): boolean {
    return this.#get(name) !== undefined;
  }

  object(name: string): Fields | undefined {
    const value = this.#get(name);
    return value === undefined ? undefined : new Fields(value, this.key(name));
  }

  objects(name: string): Fields[] {
    return this.#array(name).map((item, index) => new Fields(item, `${this.key(name)}[${index}]`));
  }

  text(name: string): string | undefined {
    const value = this.#get(name);
    return value === undefined ? undefined : text(value, this.key(name));
  }

  requiredText(name: string): string {
    const value = this.text(name);
    if (value === undefined || value === "") throw wrong(this.key(name), "is missing");
    return value;
  }

  texts(name: string): string[] {
    return this.#array(name).map((item, index) => text(item, `${this.key(name)}[${index}]`));
  }

  absolutePath(name: string): string {
    const value = this.requiredText(name);
    if (!value.startsWith("/")) throw wrong(this.key(name), `must be an absolute path, not ${JSON.stringify(value)}`);
    return value;
  }

  flag(name: string): boolean {
    const value = this.#get(name);
    if (value !== undefined && typeof value !== "boolean") throw wrong(this.key(name), "must be true or false");
    return value ?? false;
  }

  integer(name: string, min: number, max: number): number | undefined {
    const value = this.#get(name);
    return value === undefined ? undefined : integer(value, this.key(name), min, max);
  }

  integers(name: string, min: number, max: number): number[] {
    return this.#array(name).map((item, index) => integer(item, `${this.key(name)}[${index}]`, min, max));
  }

  uint32(name: string): number | undefined {
    return this.integer(name, 0, 0xffff_ffff);
  }

  /**
   * Reads a user or group id. The largest number means "unchanged" to the kernel: a process asking for it would stay
   * root.
   */
  id(name: string): number | undefined {
    return this.integer(name, 0, maxId);
  }

  ids(name: string): number[] {
    return this.integers(name, 0, maxId);
  }

  /** JSON numbers are doubles: values from 2^64 - 1 up become the largest one, which the kernel takes as "no limit". */
  uint64(name: string): bigint | undefined {
    const value = this.integer(name, 0, 2 ** 64);
    if (value === undefined) return undefined;
    return value >= 2 ** 64 ? 0xffff_ffff_ffff_ffffn : BigInt(value);
  }

  int64(name: string): bigint | undefined {
    const value = this.integer(name, -(2 ** 63), 2 ** 63);
    if (value === undefined) return undefined;
    return value >= 2 ** 63 ? 0x7fff_ffff_ffff_ffffn : BigInt(value);
  }

  /** The entries of an object whose values are all strings. */
  pairs(name: string): [string, string][] {
    const value = this.#get(name);
    if (value === undefined) return [];
    if (!isRecord(value)) throw wrong(this.key(name), "must be an object");
    return Object.entries(value).map(([key, item]) => [key, text(item, `${this.key(name)}[${JSON.stringify(key)}]`)]);
  }

  /** Many writers use `null` for "not given". */
  #get(name: string): unknown {
    return Object.hasOwn(this.#values, name) ? (this.#values[name] ?? undefined) : undefined;
  }

  #array(name: string): readonly unknown[] {
    const value = this.#get(name);
    if (value === undefined) return [];
    if (!Array.isArray(value)) throw wrong(this.key(name), "must be an array");
    return value;
  }
}

/** The error for a value that is valid but asks for something that this agent does not do. */
export function unsupported(key: string, what: string): KumiteError {
  return new KumiteError("oci/unsupported", `${key} ${what}`, { data: { key } });
}

function text(value: unknown, key: string): string {
  if (typeof value !== "string") throw wrong(key, "must be a string");
  // The kernel would end the string there, and do something else than what was written.
  if (value.includes("\0")) throw wrong(key, "must not contain a NUL character");
  return value;
}

function integer(value: unknown, key: string, min: number, max: number): number {
  if (typeof value !== "number" || !Number.isInteger(value)) throw wrong(key, "must be an integer");
  if (value < min || value > max) throw wrong(key, `must be from ${min} to ${max}, not ${value}`);
  return value;
}
