/**
 * The vocabulary of the configuration's schema: what a key can be, and the types derived from a declaration. Knows no
 * key. The keys are in `keys/`, one file per subject; `tables.ts` says which table of a file contains them.
 */

export const eras = ["1.0", "1.4", "1.6", "3.x"] as const;
/** The releases of Kata Containers whose rules apply, where the rules changed over time. */
export type ConfigEra = (typeof eras)[number];

/** Hypervisors that have a driver now or will have one, by the names of their tables. */
export const hypervisorTables = ["qemu", "firecracker", "clh"] as const;
export type HypervisorTable = (typeof hypervisorTables)[number];

/** One entry of a list of tables, such as `[[…guest_extension_images]]`. */
export type TableEntry = Readonly<Record<string, string>>;

export type KeyValue = boolean | number | string | readonly string[] | readonly TableEntry[];

interface KeyBase {
  /** One or two sentences for the reference page. */
  readonly doc: string;
  /** First and last release of Kata Containers that reads the key; `ours` if none does. */
  readonly since: string;
  readonly until?: string;
  /** Tables that have the key in Kata's own files; absent: all. Every table accepts it. */
  readonly of?: readonly HypervisorTable[];
  /** The annotation that sets it, below `io.katacontainers.`; absent: none does. */
  readonly annotation?: string;
}

export type KeySpec = KeyBase &
  (
    | { readonly kind: "boolean"; readonly default: boolean }
    /** `min` and `max` are the limits of the type. Narrower limits are applied in `clamps.ts` and `checks/`. */
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
  /** Empty: not set, or derived from other keys; `defaultText` describes how. */
  readonly default: string;
  readonly defaultText?: string;
  /** Defaults that differ between tables. */
  readonly defaults?: Readonly<Partial<Record<HypervisorTable, string>>>;
  readonly choices?: readonly string[];
  /** Kata's error text for a value that is not one of the choices. */
  readonly fault?: string;
  /**
   * An absolute path on the host. `resolved`: it must exist, and its symlinks are resolved; `absolute`: it is not
   * examined; `made`: its user creates it.
   */
  readonly path?: "resolved" | "absolute" | "made";
  /** The key with the globs that an annotation's value has to match. */
  readonly allowedBy?: string;
}

export type KeyTable = Readonly<Record<string, KeySpec>>;

/** The type of a declaration's values. */
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

/** The values that a file sets in a table. */
export type Given<T extends KeyTable> = { readonly [K in keyof T]?: ValueOf<T[K]> };

/** Every key of a table decided. */
export type Effective<T extends KeyTable> = { readonly [K in keyof T]: ValueOf<T[K]> };

const uint32Max = 0xffff_ffff;
/** The largest integer that every JSON and TOML parser reads exactly. */
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
