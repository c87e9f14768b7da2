/** Generates documents from a JSON schema written like those of the runtime specification: random and complete ones. */
import { readFileSync } from "node:fs";
import path from "node:path";
import fc from "fast-check";

interface Schema {
  readonly $ref?: string;
  readonly type?: string;
  readonly enum?: readonly string[];
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly patternProperties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly allOf?: readonly Schema[];
}

/** Values for what the schema leaves open: strings and numbers, by the last property name in their path. */
export type Examples = Readonly<Record<string, unknown>>;

export class SchemaFile {
  readonly #directory: string;
  readonly #file: string;
  readonly schema: Schema;

  constructor(directory: string, file: string, ...way: readonly string[]) {
    this.#directory = directory;
    this.#file = file;
    let schema = JSON.parse(readFileSync(path.join(directory, file), "utf8")) as Schema;
    for (const name of way) schema = (schema as Record<string, Schema>)[name] ?? {};
    this.schema = schema;
  }

  /** Documents with any of the optional keys. */
  arbitrary(examples: Examples, name = "", schema = this.schema): fc.Arbitrary<unknown> {
    if (Object.hasOwn(examples, name)) return fc.constant(examples[name]);
    if (schema.$ref !== undefined) {
      const { file, schema: target } = this.#follow(schema.$ref);
      return file.arbitrary(examples, name, target);
    }
    const [choice] = schema.anyOf ?? schema.allOf ?? [];
    if (choice !== undefined) return this.arbitrary(examples, name, choice);
    if (schema.enum !== undefined) return fc.constantFrom(...schema.enum);
    if (schema.pattern !== undefined) return fc.stringMatching(new RegExp(schema.pattern));
    switch (schema.type) {
      case "object":
        return this.#object(examples, schema);
      case "array":
        return fc.array(this.arbitrary(examples, `${name}[]`, schema.items ?? {}), { minLength: 1, maxLength: 2 });
      case "boolean":
        return fc.boolean();
      case "integer":
      case "number":
        return fc.integer({ min: schema.minimum ?? 0, max: Math.min(schema.maximum ?? 1000, 1000) });
      default:
        return fc.constantFrom("/a", "/b/c");
    }
  }

  #object(examples: Examples, { properties, required = [], ...others }: Schema): fc.Arbitrary<unknown> {
    if (properties === undefined) {
      const [schema = others.additionalProperties ?? {}] = Object.values(others.patternProperties ?? {});
      return fc.dictionary(fc.constantFrom("a", "b.c"), this.arbitrary(examples, "", schema), { maxKeys: 2 });
    }
    const entries = Object.entries(properties).map(([key, schema]) => [key, this.arbitrary(examples, key, schema)]);
    return fc.record(Object.fromEntries(entries) as Record<string, fc.Arbitrary<unknown>>, {
      requiredKeys: [...required],
    });
  }

  #follow(reference: string): { readonly file: SchemaFile; readonly schema: Schema } {
    const [name, fragment = ""] = reference.split("#");
    const file = name === "" || name === undefined ? this.#file : name;
    const target = new SchemaFile(this.#directory, file, ...fragment.split("/").filter((part) => part !== ""));
    return { file: target, schema: target.schema };
  }
}

/** Every path in a document, with its value. */
export function placesOf(value: unknown, way: readonly (string | number)[] = []): [(string | number)[], unknown][] {
  if (typeof value !== "object" || value === null) return [[[...way], value]];
  const entries = Array.isArray(value) ? [...value.entries()] : Object.entries(value);
  return [[[...way], value], ...entries.flatMap(([key, item]) => placesOf(item, [...way, key]))];
}

/** A copy with another value at that path. */
export function changedAt(document: unknown, way: readonly (string | number)[], value: unknown): unknown {
  const [first, ...rest] = way;
  if (first === undefined) return value;
  const copy = (Array.isArray(document) ? [...document] : { ...(document as object) }) as Record<
    string | number,
    unknown
  >;
  copy[first] = changedAt(copy[first], rest, value);
  return copy;
}
