/**
 * The vocabulary of the configuration's schema: what a key can be, and the types that follow from a declaration.
 * Knows no key; the keys are in `keys/`, one file for a subject, and `tables.ts` says where in a file they stand.
 */

export const eras = ["1.0", "1.4", "1.6", "3.x"] as const;
/** Which releases of Kata Containers the rules are of that changed over time. */
export type ConfigEra = (typeof eras)[number];

/** Hypervisors that a driver is or will be here for, by the names of their tables. */
export const hypervisorTables = ["qemu", "firecracker", "clh"] as const;
export type HypervisorTable = (typeof hypervisorTables)[number];

/** One of a list of tables, as `[[…guest_extension_images]]`. */
export type TableEntry = Readonly<Record<string, string>>;

export type KeyValue = boolean | number | string | readonly string[] | readonly TableEntry[];

interface KeyBase {
  /** One or two sentences for the reference page. */
  readonly doc: string;
  /** First and last release of Kata Containers that read it; `ours` when none does. */
  readonly since: string;
  readonly until?: string;
  /** Tables that Kata's own files have it in; absent: all. It is accepted in every table. */
  readonly of?: readonly HypervisorTable[];
  /** The annotation that sets it, below `io.katacontainers.`; absent: none does. */
  readonly annotation?: string;
}

export type KeySpec = KeyBase &
  (
    | { readonly kind: "boolean"; readonly default: boolean }
    /** `min` and `max` are those of the type; what is clamped or refused beyond it is in `effective.ts` and `checks/`. */
    | NumberKey
    | TextKey
    | { readonly kind: "list"; readonly default: readonly string[]; readonly items?: "glob" | "path" | "regex" }
    | { readonly kind: "tables"; readonly default: readonly TableEntry[]; readonly columns: readonly string[] }
    /** true, false or one of the words. */
    | { readonly kind: "boolean-or"; readonly words: readonly string[]; readonly default: boolean | string }
  );

export interface NumberKey {
  readonly kind: "integer" | "number";
  readonly default: number;
  readonly unit?: string;
  readonly min: number;
  readonly max: number;
}

export interface TextKey {
  readonly kind: "text";
  /** Empty: not set, or decided by what else is set; `defaultText` says by what. */
  readonly default: string;
  readonly defaultText?: string;
  /** Where it is not the same in every table. */
  readonly defaults?: Readonly<Partial<Record<HypervisorTable, string>>>;
  readonly choices?: readonly string[];
  /** Kata's word for a value that is none of the choices. */
  readonly fault?: string;
  /**
   * A path of the host: absolute. `resolved`: it must exist, and what it links to is used; `absolute`: not looked at;
   * `made`: made by whoever uses it.
   */
  readonly path?: "resolved" | "absolute" | "made";
  /** The key with the globs that an annotation's value has to match. */
  readonly allowedBy?: string;
}

export type KeyTable = Readonly<Record<string, KeySpec>>;

/** The value that a declaration allows. */
export type ValueOf<K extends KeySpec> = K extends { kind: "boolean" }
  ? boolean
  : K extends { kind: "integer" | "number" }
    ? number
    : K extends { kind: "text" }
      ? K extends { choices: readonly (infer Choice extends string)[] }
        ? Choice
        : string
      : K extends { kind: "list" }
        ? readonly string[]
        : K extends { kind: "tables" }
          ? readonly TableEntry[]
          : K extends { kind: "boolean-or"; words: readonly (infer Word extends string)[] }
            ? boolean | Word
            : never;

/** What a file says of a table. */
export type Given<T extends KeyTable> = { readonly [K in keyof T]?: ValueOf<T[K]> };

/** Every key of a table decided. */
export type Effective<T extends KeyTable> = { readonly [K in keyof T]: ValueOf<T[K]> };

const uint32Max = 0xffff_ffff;
/** The largest number that every reader of JSON and TOML has exactly. */
export const exactMax = Number.MAX_SAFE_INTEGER;

export function bool(
  doc: string,
  since: string,
  more: Partial<KeyBase> & { readonly default?: boolean } = {},
): KeyBase & { readonly kind: "boolean"; readonly default: boolean } {
  return { kind: "boolean", default: false, doc, since, ...more };
}

export function count(
  doc: string,
  since: string,
  more: Partial<KeyBase> & Partial<Omit<NumberKey, "kind">> = {},
): KeyBase & NumberKey {
  return { kind: "integer", default: 0, min: 0, max: uint32Max, doc, since, ...more };
}

export function text<const More extends Partial<KeyBase> & Partial<Omit<TextKey, "kind">>>(
  doc: string,
  since: string,
  more: More = {} as More,
) {
  return { kind: "text" as const, default: "", doc, since, ...more };
}

export function list(
  doc: string,
  since: string,
  more: Partial<KeyBase> & { readonly default?: readonly string[]; readonly items?: "glob" | "path" | "regex" } = {},
) {
  return { kind: "list" as const, default: [] as readonly string[], doc, since, ...more };
}
