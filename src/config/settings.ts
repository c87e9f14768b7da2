/**
 * The values that were set, and where: the layers of a configuration on top of each other. A later layer replaces
 * single keys; lists are replaced as a whole.
 */
import { isRecord } from "../util/json.ts";
import { nearest } from "../util/nearest.ts";
import { oneLine } from "../util/text.ts";
import {
  type ConfigEra,
  type Given,
  hypervisorTables,
  type KeySpec,
  type KeyTable,
  type KeyValue,
  type TextKey,
} from "./key.ts";
import { isOfRustRuntime } from "./not-honoured.ts";
import { Positions } from "./positions.ts";
import { type Origin, type Report, rank } from "./problem.ts";
import { isGroup, keysOf, kindsOf, topNames } from "./tables.ts";
import type { TomlTable } from "./toml.ts";
import { faultOf, show } from "./value.ts";

export interface Setting {
  readonly value: KeyValue;
  /** Computed on demand, since most origins are never needed. */
  readonly origin: () => Origin;
}

export class Settings {
  /** By table and key, e.g. `hypervisor.qemu.path`. */
  readonly #settings = new Map<string, Setting>();
  /** Tables that a file contains, even if empty, and where each occurs first. */
  readonly tables = new Map<string, () => Origin>();

  get(table: string, key: string): Setting | undefined {
    return this.#settings.get(`${table}.${key}`);
  }

  set(table: string, key: string, setting: Setting): void {
    this.#settings.set(`${table}.${key}`, setting);
  }

  has(table: string, key: string): boolean {
    return this.#settings.has(`${table}.${key}`);
  }

  origin(table: string, key: string): Origin {
    return this.get(table, key)?.origin() ?? { kind: "built-in" };
  }

  /** Full names of the keys that are set. */
  names(): Iterable<string> {
    return this.#settings.keys();
  }

  /** The keys of a table that are set. */
  given<T extends KeyTable>(table: string, keys: T): Given<T> {
    const given: Record<string, KeyValue> = {};
    for (const key of Object.keys(keys)) {
      const setting = this.get(table, key);
      if (setting !== undefined) given[key] = setting.value;
    }
    // The type holds because `addDocument` and the others accept only values that the declarations allow.
    return given as Given<T>;
  }
}

/** A file, as one layer of the configuration. */
export interface FileLayer {
  readonly kind: "file" | "drop-in";
  readonly file: string;
  readonly text: string;
  readonly document: TomlTable;
}

/** Adds a file on top of the settings. Invalid values are reported and omitted. */
export function addDocument(settings: Settings, layer: FileLayer, era: ConfigEra, report: Report): void {
  new DocumentReader(settings, layer, era, report).read();
}

class DocumentReader {
  readonly #settings: Settings;
  readonly #layer: FileLayer;
  readonly #era: ConfigEra;
  readonly #report: Report;
  #positions: Positions | undefined;
  #unknowns = 0;

  constructor(settings: Settings, layer: FileLayer, era: ConfigEra, report: Report) {
    this.#settings = settings;
    this.#layer = layer;
    this.#era = era;
    this.#report = report;
  }

  read(): void {
    for (const [name, value] of Object.entries(this.#layer.document)) {
      if (isGroup(name)) this.#group(name, value);
      else if (topNames.includes(name)) this.#table(name, [name], value);
      else this.#unknown([name], topNames, `${oneLine(name, 60)} is not a known table`);
    }
    if (this.#unknowns <= unknownLimit) return;
    const { kind, file } = this.#layer;
    const reason = `${this.#unknowns - unknownLimit} more keys are not known`;
    this.#report({ severity: "unknown", origin: { kind, file }, reason });
  }

  #group(group: "hypervisor" | "agent" | "proxy" | "shim", value: unknown): void {
    if (!isRecord(value)) {
      this.#wrong([group], `${group} must be a table, not ${show(value)}`);
      return;
    }
    for (const [kind, content] of Object.entries(value)) {
      const path = [group, kind];
      const name = `${group}.${oneLine(kind, 60)}`;
      const known = kindsOf(group).includes(kind);
      if (!known && !isRecord(content)) {
        this.#unknown(
          path,
          kindsOf(group),
          `${name} is not a known key; tables such as [${group}.${kindsOf(group)[0]}] are`,
        );
      } else if (known || !this.#unknownKind(group, kind, path)) this.#table(name, path, content);
    }
  }

  /** Returns whether the table is omitted. */
  #unknownKind(group: "hypervisor" | "agent" | "proxy" | "shim", kind: string, path: readonly string[]): boolean {
    const word = oneLine(kind, 60);
    const known = kindsOf(group);
    switch (group) {
      case "hypervisor":
        if (this.#era === "1.0") this.#unknown(path, known, `hypervisor.${word} is not a known table`);
        else this.#wrong(path, `hypervisor.${word}: there is no such hypervisor`, hintOf(kind, known));
        return true;
      case "agent":
        if (this.#era !== "3.x") this.#unknown(path, known, `agent.${word} is not a known table`);
        else this.#wrong(path, `${word} agent type is not supported`, hintOf(kind, known), rank.agent);
        return true;
      case "proxy":
      case "shim":
        if (this.#era !== "3.x") return false;
        this.#unknown(path, known, `${group}.${word} is not a known table`);
        return true;
    }
  }

  #table(name: string, path: readonly string[], value: unknown): void {
    if (!isRecord(value)) {
      this.#wrong(path, `${name} must be a table, not ${show(value)}`);
      return;
    }
    if (!this.#settings.tables.has(name)) this.#settings.tables.set(name, () => this.#origin(path));
    const keys = keysOf(name);
    if (keys === undefined) return;
    for (const [key, item] of Object.entries(value)) this.#key(name, keys, [...path, key], item);
  }

  #key(table: string, keys: KeyTable, path: readonly string[], value: unknown): void {
    const key = path.at(-1) ?? "";
    if (this.#unknowns >= unknownLimit && !Object.hasOwn(keys, key)) {
      this.#unknowns += 1;
      return;
    }
    const spec = Object.hasOwn(keys, key) ? keys[key] : undefined;
    const fault = spec && faultOf(spec, value, this.#era);
    if (spec === undefined) this.#unknownKey(`${table}.${oneLine(key, 60)}`, key, keys, path);
    else if (fault !== undefined) this.#wrong(path, `${table}.${key} ${fault}`);
    else {
      const origin = () => this.#origin(path);
      this.#settings.set(table, key, {
        value: isUnsaid(key, spec, value) ? defaultIn(table, spec) : (value as KeyValue),
        origin,
      });
    }
  }

  /** A drop-in changes single keys of hypervisors and agents. An unknown key of these is an error there. */
  #unknownKey(full: string, key: string, keys: KeyTable, path: readonly string[]): void {
    const strict = this.#layer.kind === "drop-in" && /^(hypervisor|agent)\./.test(full);
    if (strict) {
      this.#wrong(path, `error applying key ${full}: it is not a known key`, hintOf(key, Object.keys(keys)));
    } else if (isOfRustRuntime(key)) {
      this.#unknown(path, [], `${full} has an effect in Kata's Rust runtime only`);
    } else this.#unknown(path, Object.keys(keys), `${full} is not a known key`);
  }

  #unknown(path: readonly string[], candidates: readonly string[], reason: string): void {
    this.#unknowns += 1;
    if (this.#unknowns > unknownLimit) return;
    const hint = hintOf(path.at(-1) ?? "", candidates) ?? "remove it: it is ignored";
    this.#report({ severity: "unknown", origin: this.#origin(path), key: keyText(path), reason, hint });
  }

  #wrong(path: readonly string[], reason: string, hint?: string, of: number = rank.decoding): void {
    this.#report({
      severity: "error",
      origin: this.#origin(path),
      key: keyText(path),
      reason,
      rank: of,
      ...(hint !== undefined && { hint }),
    });
  }

  #origin(path: readonly string[]): Origin {
    const { kind, file, text } = this.#layer;
    this.#positions ??= new Positions(text);
    return { kind, file, ...this.#positions.of(path) };
  }
}

/** An empty text counts as not set if the key requires one of several words; except for `internetworking_model`. */
function isUnsaid(key: string, spec: KeySpec, value: unknown): spec is KeySpec & TextKey {
  if (value !== "" || spec.kind !== "text" || spec.choices === undefined || key === "internetworking_model")
    return false;
  return !spec.choices.includes("");
}

function defaultIn(table: string, spec: TextKey): string {
  const own = hypervisorTables.find((name) => table === `hypervisor.${name}`);
  return (own && spec.defaults?.[own]) ?? spec.default;
}

/** Per file. A file with more is not a configuration, and each unknown key costs a search for similar names. */
const unknownLimit = 50;

function keyText(path: readonly string[]): string {
  return oneLine(path.join("."), 120);
}

function hintOf(word: string, candidates: readonly string[]): string | undefined {
  const close = word.length > 60 ? undefined : nearest(word, candidates);
  return close === undefined ? undefined : `did you mean ${close}?`;
}
